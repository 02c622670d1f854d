/**
 * One trigger's place in one partition: where it reads, what is unfinished, whether it has room.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { TriggerMetrics } from '../contract/metrics.ts'
import type { Outcome } from '../contract/outcome.ts'
import { Watermark, type Progress } from './watermark.ts'

/** The trigger's books; see `runtime/contract/metrics.ts`. */
export type Ledger = Pick<TriggerMetrics, 'consumed' | 'outcome' | 'returned'>

export interface CursorOptions {
  trigger: TriggerManifest
  topic: string
  partition: number
  from: Progress
  ledger: Ledger
  /** Opens the way to the subscriber; the cursor reports back through `settled`. */
  open: (listener: Pick<ChannelOptions, 'onSettled' | 'onWaiting'>) => DeliveryChannel
  /** Room was made. */
  onRoom: () => void
}

/** Unfinished events of one cursor, those that wait for a retry included. */
const MAX_UNFINISHED = 20_000
/**
 * Those of them that could run. More than the next few batches need only grows old in memory, and what
 * grows old costs the garbage collector most.
 */
const MAX_RUNNABLE = 1000

export class Cursor {
  readonly trigger: TriggerManifest
  readonly topic: string
  readonly partition: number
  readonly watermark: Watermark
  /** What was committed last, so that an unchanged position costs no request. */
  committed: Progress
  /** When that was, in ms since the epoch. */
  committedAt = Date.now()
  /** Set while the trigger is paused by a person. */
  paused = false
  /** Why this cursor does not go on by itself; for `/readyz`. */
  trouble: string | undefined
  /** The trouble may pass by itself: the group is asked again. */
  troublePasses = false
  /** Why its last commit failed; it goes on, and the next commit may heal it. */
  commitTrouble: string | undefined

  readonly #channel: DeliveryChannel
  readonly #ledger: Ledger
  readonly #onRoom: () => void
  #bytes = 0
  #matchedInBatch = 0
  #skippedInBatch = 0
  #full = false
  #closed = false

  constructor(options: CursorOptions) {
    this.trigger = options.trigger
    this.topic = options.topic
    this.partition = options.partition
    this.watermark = new Watermark(options.from)
    this.committed = options.from
    this.#ledger = options.ledger
    this.#onRoom = options.onRoom
    this.#channel = options.open({
      onSettled: (record, outcome) => this.#settled(record, outcome),
      onWaiting: () => this.#roomMayBe(),
    })
  }

  get position(): number {
    return this.watermark.next
  }

  get bufferedBytes(): number {
    return this.#bytes
  }

  /**
   * Whether another batch may come. Once full, a cursor stays so until half of the room is free:
   * otherwise it would leave and join the shared reader with every event.
   */
  hasRoom(maxBytes: number): boolean {
    const share = this.#full ? 0.5 : 1
    const { unfinished } = this.watermark
    const runnable = unfinished - this.#channel.waiting
    this.#full =
      this.#bytes >= maxBytes * share ||
      unfinished >= MAX_UNFINISHED * share ||
      runnable >= MAX_RUNNABLE * share
    return !this.#full && !this.paused && this.trouble === undefined
  }

  /** True for a record that this cursor still has to see. */
  wants(offset: number): boolean {
    if (offset < this.watermark.next) return false
    if (!this.watermark.wasFinished(offset)) return true
    this.#skippedInBatch++
    return false
  }

  matched(record: LogRecord, event: Event): void {
    this.#hold(record)
    this.#channel.deliver(record, event)
  }

  /** A record that is no event: unfinished until it is safe in the quarantine. */
  quarantine(record: LogRecord, safe: Promise<void>): void {
    this.#hold(record)
    void safe.then(() => this.#settled(record, 'quarantined'))
  }

  /** Ends a batch of `records` records: those that did not match are done. */
  advance(next: number, records: number): void {
    // What the batch still holds was counted as it was taken; here follow those that did not match.
    const filtered = records - this.#skippedInBatch - this.#matchedInBatch
    this.#ledger.consumed(filtered)
    this.#ledger.outcome('filtered', filtered)
    this.#matchedInBatch = 0
    this.#skippedInBatch = 0
    this.watermark.advance(next)
  }

  /** The partition went to another process: what is unfinished here is that one's. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#ledger.returned(this.watermark.unfinished)
    this.#channel.close()
  }

  #hold(record: LogRecord): void {
    this.#matchedInBatch++
    this.#ledger.consumed(1)
    this.#bytes += sizeOf(record)
    this.watermark.begin(record.offset)
  }

  #settled(record: LogRecord, outcome: Outcome): void {
    if (this.#closed) return
    this.#bytes -= sizeOf(record)
    this.watermark.finish(record.offset)
    this.#ledger.outcome(outcome)
    this.#roomMayBe()
  }

  #roomMayBe(): void {
    if (this.#full && !this.#closed) this.#onRoom()
  }
}

function sizeOf(record: LogRecord): number {
  // The headers and objects around a record count too, or many empty events would take no room.
  return (record.value?.length ?? 0) + 512
}
