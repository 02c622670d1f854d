/**
 * Between the consumer, which reads and remembers progress, and the delivery, which brings one event to
 * one trigger's subscriber and ends it in exactly one outcome.
 */
import type { AppendRecord, AppendResult, LogRecord } from './broker.ts'
import type { Event } from './event.ts'
import type { TriggerManifest } from './manifest.ts'
import type { Fault, Outcome } from './outcome.ts'

/** The way of one trigger's events from one partition. */
export interface DeliveryChannel {
  /** Events that wait for a retry, their own or one of their lane's: they cost memory, but no work. */
  readonly waiting: number

  /** Takes an event over. Calls come in offset order; `onSettled` follows for each, in any order. */
  deliver(record: LogRecord, event: Event): void
  /** The partition is gone: what waits is dropped, what runs is discarded, nothing settles any more. */
  close(): void
}

export interface ChannelOptions {
  trigger: TriggerManifest
  topic: string
  partition: number
  /** Called once an event has ended and everything that it caused is durable. */
  onSettled: (record: LogRecord, outcome: Outcome) => void
  /** Events began to wait for a retry; see `DeliveryChannel.waiting`. */
  onWaiting: () => void
  /** A channel of the same trigger whose lanes this one shares: one key is one lane in both. */
  beside?: DeliveryChannel
  /**
   * Writes output together with the progress that it stands for, all or nothing; never rejects. When it
   * is refused, the channel is closed before the results come. None: output is appended, and progress
   * committed later.
   */
  transact?: (output: TransactedOutput) => Promise<AppendResult[]>
}

export interface TransactedOutput {
  records: readonly AppendRecord[]
  /** The events that end with it. */
  ended: readonly LogRecord[]
  /** In a transaction of its own, because the log may refuse it (a dead letter). */
  alone: boolean
}

/** An event whose retries are used up, and why. */
export interface DeadLetter {
  trigger: TriggerManifest
  topic: string
  partition: number
  record: LogRecord
  event: Event
  fault: Fault
  attempts: number
  /** Milliseconds since the epoch. */
  firstFailedAt: number
}
