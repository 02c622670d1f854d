/**
 * Recognises events by source and id (CloudEvents 1.0: they identify an event). An event is a copy if one
 * with its identity was written at most `windowMs` before it, itself a copy or not. It ends with its
 * original: at once, or when that one does. Times are those of the log, and what decides is never older
 * than the window, so that a restart decides as the first run did.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'

export interface DedupeOptions {
  windowMs: number
  /** Ended events that are remembered at most. */
  max: number
}

/** An event that runs, and the copies that wait for it. */
interface Original {
  identity: string
  copies: LogRecord[]
  /** When the event or its latest copy was written. */
  writtenAt: number
}

export class Dedupe {
  readonly options: DedupeOptions
  /** When the event or its latest copy was written, by identity; the longest remembered first. */
  readonly #ended = new Map<string, number>()
  /** The latest that runs, by identity. */
  readonly #running = new Map<string, Original>()
  readonly #byOffset = new Map<number, Original>()

  constructor(options: DedupeOptions) {
    this.options = options
  }

  /**
   * - `new`: runs; `ended` has to be called for its offset.
   * - `duplicate`: its original has ended.
   * - `waits`: its original runs; `ended` of that one gives it back.
   */
  begin(record: LogRecord, event: Event): 'new' | 'duplicate' | 'waits' {
    const identity = identityOf(event)
    const { timestamp } = record
    const original = this.#running.get(identity)
    if (original !== undefined && this.#isRecent(original.writtenAt, timestamp)) {
      original.copies.push(record)
      original.writtenAt = Math.max(original.writtenAt, timestamp)
      return 'waits'
    }
    const endedAt = this.#ended.get(identity)
    if (endedAt !== undefined && this.#isRecent(endedAt, timestamp)) {
      this.#remember(identity, timestamp)
      return 'duplicate'
    }
    const fresh: Original = { identity, copies: [], writtenAt: timestamp }
    this.#running.set(identity, fresh)
    this.#byOffset.set(record.offset, fresh)
    return 'new'
  }

  /** Gives the copies that waited for this one, if it is an original. */
  ended(record: LogRecord): LogRecord[] {
    const original = this.#byOffset.get(record.offset)
    if (original === undefined) return []
    const { identity, copies, writtenAt } = original
    this.#byOffset.delete(record.offset)
    if (this.#running.get(identity) === original) this.#running.delete(identity)
    this.#remember(identity, writtenAt)
    return copies
  }

  /** An event that an earlier run has ended. */
  restore(record: LogRecord, event: Event): void {
    this.#remember(identityOf(event), record.timestamp)
  }

  #isRecent(writtenAt: number, timestamp: number): boolean {
    return timestamp - writtenAt <= this.options.windowMs
  }

  #remember(identity: string, timestamp: number): void {
    const latest = Math.max(timestamp, this.#ended.get(identity) ?? timestamp)
    this.#ended.delete(identity)
    this.#ended.set(identity, latest)
    for (const [oldest, writtenAt] of this.#ended) {
      if (this.#isRecent(writtenAt, latest) && this.#ended.size <= this.options.max) return
      this.#ended.delete(oldest)
    }
  }
}

function identityOf({ attributes }: Event): string {
  return `${attributes.source}\0${attributes.id}`
}
