/**
 * One trigger's place in one partition: where it reads, what is unfinished, whether it has room.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { TriggerMetrics } from '../contract/metrics.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { Dedupe } from './dedupe.ts'
import { Watermark, type Progress } from './watermark.ts'

/** The trigger's books; see `runtime/contract/metrics.ts`. */
export type Ledger = Pick<TriggerMetrics, 'consumed' | 'outcome' | 'returned' | 'windowFull'>

export interface CursorOptions {
  trigger: TriggerManifest
  topic: string
  partition: number
  from: Progress
  ledger: Ledger
  /** Offsets from the lowest unfinished one to the next to be read; `maxUnfinishedOffsets`. */
  maxUnfinished: number
  /** None: every event is taken for a new one. */
  dedupe?: Dedupe | undefined
  /** Opens the way to the subscriber; the cursor reports back through `settled`. */
  open: (listener: Pick<ChannelOptions, 'onSettled' | 'onWaiting'>) => DeliveryChannel
  /** Room was made. */
  onRoom: () => void
}

/**
 * Unfinished events that could run. More than the next few batches need only grows old in memory, and
 * what grows old costs the garbage collector most.
 */
const MAX_RUNNABLE = 1000

export class Cursor {
  readonly trigger: TriggerManifest
  readonly topic: string
  readonly partition: number
  readonly watermark: Watermark
  readonly channel: DeliveryChannel
  readonly dedupe: Dedupe | undefined
  /** What was committed last, so that an unchanged position costs no request. */
  committed: Progress
  /** When that was, in ms since the epoch. */
  committedAt = Date.now()
  /** Set while the trigger is paused by a person. */
  paused = false
  /** Set while it cannot tell duplicates yet. */
  restoring = false
  /** Its trigger is being removed: it reads nothing more, and nothing takes its place. */
  leaving = false
  /** Why this cursor does not go on by itself; for `/readyz`. */
  trouble: string | undefined
  /** It is asked again whether the trouble has passed. */
  troublePasses = false
  /** Why its last commit failed; it goes on, and the next commit may heal it. */
  commitTrouble: string | undefined

  readonly #ledger: Ledger
  readonly #onRoom: () => void
  readonly #maxUnfinished: number
  /** When an event ended, or came while there was none; as `performance.now()` counts. */
  movedAt = 0
  #bytes = 0
  #matchedInBatch = 0
  #skippedInBatch = 0
  #full = false
  #windowFull = false
  #closed = false

  constructor(options: CursorOptions) {
    this.trigger = options.trigger
    this.topic = options.topic
    this.partition = options.partition
    this.watermark = new Watermark(options.from)
    this.committed = options.from
    this.#ledger = options.ledger
    this.#onRoom = options.onRoom
    this.#maxUnfinished = options.maxUnfinished
    this.dedupe = options.dedupe
    this.channel = options.open({
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

  /** Events that were read, have not ended, and wait for no retry. */
  get runnable(): number {
    return this.watermark.unfinished - this.channel.waiting
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Whether another batch may come. Once full, a cursor stays so until half of the room is free:
   * otherwise it would leave and join the shared reader with every event.
   */
  hasRoom(maxBytes: number): boolean {
    const share = this.#full ? 0.5 : 1
    this.#windowIs(this.watermark.isFull(this.#maxUnfinished, share))
    this.#full =
      this.#windowFull || this.#bytes >= maxBytes * share || this.runnable >= MAX_RUNNABLE * share
    return !this.#full && !this.paused && !this.restoring && this.trouble === undefined
  }

  /** Not even the rest of a batch may come. */
  get isWindowFull(): boolean {
    return this.watermark.isFull(this.#maxUnfinished)
  }

  /** True for a record that this cursor still has to see. */
  wants(offset: number): boolean {
    if (offset < this.watermark.next) return false
    if (!this.watermark.wasFinished(offset)) return true
    this.#skippedInBatch++
    return false
  }

  matched(record: LogRecord, event: Event): void {
    const seen = this.dedupe?.begin(record, event) ?? 'new'
    if (seen === 'duplicate') {
      this.#matchedInBatch++
      this.#ledger.consumed(1)
      this.#ledger.outcome('deduplicated')
      return
    }
    this.#hold(record)
    if (seen === 'new') this.channel.deliver(record, event)
  }

  /** A record that is no event: unfinished until it has ended as `refused` says. */
  refused(record: LogRecord, refused: Promise<Outcome>): void {
    this.#hold(record)
    void refused.then((outcome) => this.#settled(record, outcome))
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
    this.#windowIs(false)
    this.#ledger.returned(this.watermark.unfinished)
    this.channel.close()
  }

  #hold(record: LogRecord): void {
    this.#matchedInBatch++
    this.#ledger.consumed(1)
    if (this.watermark.unfinished === 0) this.movedAt = performance.now()
    this.#bytes += sizeOf(record)
    this.watermark.begin(record.offset)
  }

  #settled(record: LogRecord, outcome: Outcome): void {
    if (this.#closed) return
    this.movedAt = performance.now()
    this.#bytes -= sizeOf(record)
    this.watermark.finish(record.offset)
    this.#ledger.outcome(outcome)
    for (const copy of this.dedupe?.ended(record) ?? []) this.#settled(copy, 'deduplicated')
    this.#roomMayBe()
  }

  #roomMayBe(): void {
    if (this.#full && !this.#closed) this.#onRoom()
  }

  #windowIs(full: boolean): void {
    if (full === this.#windowFull) return
    this.#windowFull = full
    this.#ledger.windowFull(full)
  }
}

function sizeOf(record: LogRecord): number {
  // The headers and objects around a record count too, or many empty events would take no room.
  return (record.value?.length ?? 0) + 512
}
