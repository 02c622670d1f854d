import { isUtf8 } from 'node:buffer'
import type { Event } from '../contract/event.ts'

const UNREAD = Symbol('unread')
const NOT_JSON = Symbol('not JSON')

const ARRAY_INDEX = /^(?:0|[1-9]\d*)$/

/**
 * The JSON data of one event, parsed at the first look and never again: share one between all the
 * triggers that are asked about the event.
 */
export class LazyData {
  readonly event: Event
  #value: unknown = UNREAD

  constructor(event: Event) {
    this.event = event
  }

  /** False for an event without data, of another media type, or whose JSON does not parse. */
  isJson(): boolean {
    if (this.#value === UNREAD) this.#value = parse(this.event)
    return this.#value !== NOT_JSON
  }

  /** The value at a path, or undefined where there is none; JSON itself has no undefined. */
  at(segments: readonly string[]): unknown {
    if (!this.isJson()) return undefined
    let value = this.#value
    for (const segment of segments) {
      if (typeof value !== 'object' || value === null) return undefined
      if (Array.isArray(value) && !ARRAY_INDEX.test(segment)) return undefined
      // Own members only: `constructor` is no part of anybody's data.
      if (!Object.hasOwn(value, segment)) return undefined
      value = (value as Record<string, unknown>)[segment]
    }
    return value
  }
}

function parse({ data }: Event): unknown {
  if (data?.kind !== 'json' || !isUtf8(data.bytes)) return NOT_JSON
  try {
    return JSON.parse(data.bytes.toString('utf8'))
  } catch {
    // Not this stage's error: a filter on data just does not match, and a handler that reads the data
    // of such an event gets `FN_DATA_INVALID`.
    return NOT_JSON
  }
}
