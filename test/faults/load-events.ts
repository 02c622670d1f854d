/** The events of a load: keys by chance, numbers in order within each key, poison here and there. */
import {
  FUNCTIONS,
  LOAD_SOURCE,
  STEPS,
  type FunctionName,
  type LoadEvent,
} from '../invariants/load-record.ts'
import { Random } from './random.ts'

export interface LoadShape {
  seed: number
  keys: number
  /** Share of events that are poison in one of the three functions, 0 to 1. */
  poisonShare: number
  /**
   * For events that are made between `from` and `until` (ms after the start of the load), the second
   * function fails until `until`.
   */
  down?: { from: number; until: number }
}

/** A load event with what its functions are told beside key and number. */
export interface MadeEvent extends LoadEvent {
  downUntil?: number
}

export class LoadEvents {
  readonly #shape: LoadShape
  readonly #random: Random
  readonly #numbers = new Map<string, number>()
  readonly #startedAt = Date.now()
  #made = 0

  constructor(shape: LoadShape) {
    this.#shape = shape
    this.#random = new Random(shape.seed)
  }

  take(count: number): MadeEvent[] {
    return Array.from({ length: count }, () => this.#one())
  }

  #one(): MadeEvent {
    const { keys, poisonShare, down } = this.#shape
    const key = `k${this.#random.between(1, keys)}`
    const n = (this.#numbers.get(key) ?? 0) + 1
    this.#numbers.set(key, n)
    const event: MadeEvent = { id: `e${++this.#made}`, key, n }
    if (this.#random.next() < poisonShare) event.poison = this.#random.of<FunctionName>(FUNCTIONS)
    const age = Date.now() - this.#startedAt
    if (down !== undefined && age >= down.from && age < down.until) {
      event.downUntil = this.#startedAt + down.until
    }
    return event
  }
}

/** Attributes and data of an event, for a request or a record. */
export function cloudEventOf({ id, ...data }: MadeEvent): {
  attributes: Record<string, string>
  data: Omit<MadeEvent, 'id'>
} {
  const attributes = {
    specversion: '1.0',
    id,
    source: LOAD_SOURCE,
    type: STEPS[0],
    datacontenttype: 'application/json',
    partitionkey: data.key,
  }
  return { attributes, data }
}
