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

/** The latest record of an identity. */
interface Latest {
  offset: number
  /** In ms since the epoch. */
  writtenAt: number
}

/** An event that runs, and the copies that wait for it. */
interface Original {
  identity: string
  copies: LogRecord[]
  latest: Latest
}

export class Dedupe {
  readonly options: DedupeOptions
  /** By identity; the longest remembered first. */
  readonly #ended = new Map<string, Latest>()
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
    const latest = placeOf(record)
    const original = this.#running.get(identity)
    if (original !== undefined && this.#isCopy(latest, original.latest)) {
      original.copies.push(record)
      original.latest = later(original.latest, latest)
      return 'waits'
    }
    const ended = this.#ended.get(identity)
    if (ended !== undefined && this.#isCopy(latest, ended)) {
      this.#remember(identity, latest)
      return 'duplicate'
    }
    const fresh: Original = { identity, copies: [], latest }
    this.#running.set(identity, fresh)
    this.#byOffset.set(record.offset, fresh)
    return 'new'
  }

  /** Gives the copies that waited for this one, if it is an original. */
  ended(record: LogRecord): LogRecord[] {
    const original = this.#byOffset.get(record.offset)
    if (original === undefined) return []
    const { identity, copies, latest } = original
    this.#byOffset.delete(record.offset)
    if (this.#running.get(identity) === original) this.#running.delete(identity)
    this.#remember(identity, latest)
    return copies
  }

  /** An event that an earlier run has ended. */
  restore(record: LogRecord, event: Event): void {
    this.#remember(identityOf(event), placeOf(record))
  }

  /** An earlier run may have ended a later one, too: that says nothing about those before it. */
  #isCopy(one: Latest, of: Latest): boolean {
    return one.offset > of.offset && this.#isRecent(of, one)
  }

  #isRecent({ writtenAt }: Latest, now: Latest): boolean {
    return now.writtenAt - writtenAt <= this.options.windowMs
  }

  #remember(identity: string, place: Latest): void {
    const latest = later(place, this.#ended.get(identity) ?? place)
    this.#ended.delete(identity)
    this.#ended.set(identity, latest)
    for (const [oldest, one] of this.#ended) {
      if (this.#isRecent(one, latest) && this.#ended.size <= this.options.max) return
      this.#ended.delete(oldest)
    }
  }
}

function placeOf({ offset, timestamp }: LogRecord): Latest {
  return { offset, writtenAt: timestamp }
}

function later(one: Latest, other: Latest): Latest {
  return {
    offset: Math.max(one.offset, other.offset),
    writtenAt: Math.max(one.writtenAt, other.writtenAt),
  }
}

function identityOf({ attributes }: Event): string {
  return `${attributes.source}\0${attributes.id}`
}
