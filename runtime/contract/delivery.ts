/**
 * Between the consumer, which reads and remembers progress, and the delivery, which brings one event to
 * one trigger's subscriber and ends it in exactly one outcome.
 */
import type { AppendRecord, AppendResult, LogRecord } from './broker.ts'
import type { Event } from './event.ts'
import type { TriggerManifest } from './manifest.ts'
import type { Fault, Outcome } from './outcome.ts'
import type { ParkingLot } from './parking.ts'
import type { Subscriber } from './subscriber.ts'

/** Brings the events of one trigger, from all its partitions, to its subscriber. */
export interface Delivery {
  open(options: ChannelOptions): DeliveryChannel
  /** Starts nothing new. What runs goes on; `idle()` says when it has ended. */
  pause(): void
  resume(): void
  /** A person paused the trigger, or ended that: what was read and has not begun waits. */
  hold(held: boolean): void
  /** Takes nothing more from the log; what has begun goes on, through further steps as well. For good. */
  retire(): void
  /** Nothing is in a subscriber's hands, and nothing is on its way to the log. */
  readonly isIdle: boolean
  /** Resolves once that is so. */
  idle(): Promise<void>
}

/** The way of one trigger's events from one partition. */
export interface DeliveryChannel {
  /**
   * Events that wait for a retry: their own, one of their lane's, or one of what was made of these within
   * this process. They cost memory, but no work.
   */
  readonly waiting: number

  /** Takes an event over. Calls come in offset order; `onSettled` follows for each, in any order. */
  deliver(record: LogRecord, event: Event): void
  /** Reads what has to be known before the first event; rejects when the log does not answer. */
  restore(): Promise<void>
  /** The partition is gone: what waits is dropped, what runs is discarded, nothing settles any more. */
  close(): void
}

export interface ChannelOptions {
  trigger: TriggerManifest
  topic: string
  partition: number
  /** Its records are not in the log: they come from another delivery in this process. */
  offLog?: boolean
  /** Called once an event has ended and everything that it caused is durable. */
  onSettled: (record: LogRecord, outcome: Outcome) => void
  /** Events began to wait for a retry; see `DeliveryChannel.waiting`. */
  onWaiting: () => void
  /** One event began to wait, or goes on. */
  onWaits?: (record: LogRecord, waits: boolean) => void
  /** A channel of the same trigger whose lanes this one shares: one key is one lane in both. */
  beside?: DeliveryChannel
  /** Dead letters that keep later events of their key back; none: they do not. */
  lot?: ParkingLot | undefined
  /**
   * Writes output together with the progress that it stands for, all or nothing; never rejects. When it
   * is refused, the channel is closed before the results come. None: output is appended, and progress
   * committed later.
   */
  transact?: (output: TransactedOutput) => Promise<AppendResult[]>
  /**
   * Takes the output of one event that goes on within this process, and resolves when all that follows
   * from it is durable; never rejects. Undefined: it is the log's, and appended as without this. `onWaits`
   * is called, in pairs, when something of it begins to wait and when that goes on or ends.
   */
  forward?: (
    cause: LogRecord,
    records: readonly AppendRecord[],
    onWaits: (waits: boolean) => void,
  ) => Promise<AppendResult[]> | undefined
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
  /** The record in `topic` from which `record` was made within this process; none: it is that one. */
  cause?: LogRecord
  event: Event
  fault: Fault
  attempts: number
  /** Milliseconds since the epoch. */
  firstFailedAt: number
  /** Of a flow: where it failed, if not at the trigger's own subscriber. */
  step?: FailedStep
}

/** A step failed on an event that was made within this process from one of the trigger's. */
export interface FailedStep {
  name: string
  namespace: string
  subscriber: Subscriber
  /** The event has to keep what it says of an earlier failure: that is what the step was given. */
  keepsErrors: boolean
}
