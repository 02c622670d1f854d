/**
 * Recognises events by source and id (CloudEvents 1.0: they identify an event). It holds only events that
 * have ended; one that arrives while its original runs waits for that one's end. Times are those of the
 * log, so that a restart decides as the first run did.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'

export interface DedupeOptions {
  windowMs: number
  /** Ended events that are remembered at most. */
  max: number
}

export class Dedupe {
  readonly options: DedupeOptions
  /** When the event was written, by identity; the longest remembered first. */
  readonly #ended = new Map<string, number>()
  /** Copies that wait, by the identity of the original that runs. */
  readonly #running = new Map<string, LogRecord[]>()
  readonly #identities = new Map<number, string>()

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
    const endedAt = this.#ended.get(identity)
    if (endedAt !== undefined && record.timestamp - endedAt <= this.options.windowMs) {
      return 'duplicate'
    }
    const copies = this.#running.get(identity)
    if (copies !== undefined) {
      copies.push(record)
      return 'waits'
    }
    this.#running.set(identity, [])
    this.#identities.set(record.offset, identity)
    return 'new'
  }

  /** Gives the copies that waited for this one, if it is an original. */
  ended(record: LogRecord): LogRecord[] {
    const identity = this.#identities.get(record.offset)
    if (identity === undefined) return []
    this.#identities.delete(record.offset)
    const copies = this.#running.get(identity) ?? []
    this.#running.delete(identity)
    this.#remember(identity, record.timestamp)
    return copies
  }

  /** An event that an earlier run has ended. */
  restore(record: LogRecord, event: Event): void {
    this.#remember(identityOf(event), record.timestamp)
  }

  #remember(identity: string, timestamp: number): void {
    this.#ended.delete(identity)
    this.#ended.set(identity, timestamp)
    for (const [oldest, writtenAt] of this.#ended) {
      const isOver = timestamp - writtenAt > this.options.windowMs
      if (!isOver && this.#ended.size <= this.options.max) return
      this.#ended.delete(oldest)
    }
  }
}

function identityOf({ attributes }: Event): string {
  return `${attributes.source}\0${attributes.id}`
}
