/** What a handler is given: the event, whose data is parsed on first use, and the context. */
import {
  charCodeAt,
  defineProperty,
  getPrototypeOf,
  jsonParse,
  slice,
  typedArrayTag,
} from './kernel-intrinsics.isolate.ts'
import { base64ToBytes } from './kernel-base64.isolate.ts'
import { InvalidData } from './kernel-faults.isolate.ts'
import { DATA } from './kernel-protocol.ts'
import type { Run } from './kernel-run.isolate.ts'
import { runSignal, type AbortSignal } from './web-abort.isolate.ts'
import { runLog, type RunLog } from './web-console.isolate.ts'

const BYTE_ORDER_MARK = 0xfeff

/**
 * Puts private fields on an object made elsewhere, by returning it from a base constructor: the event
 * stays a plain object, and what hides behind `data` cannot be seen on it.
 */
const Adopt = function (this: unknown, object: object): object {
  return object
} as unknown as new (object: object) => object

class LazyData extends Adopt {
  #data: number
  #text: string
  #value: unknown = undefined

  constructor(event: object, data: number, text: string) {
    super(event)
    this.#data = data
    this.#text = text
  }

  static read(holder: unknown): unknown {
    const event = LazyData.#owner(holder)
    if (event === undefined) return undefined
    if (event.#data !== DATA.none) {
      event.#value = parse(event.#data, event.#text)
      event.#data = DATA.none
      event.#text = ''
    }
    return event.#value
  }

  static write(holder: unknown, value: unknown): void {
    if (typeof holder !== 'object' || holder === null) return
    if (#text in holder) {
      ;(holder as LazyData).#data = DATA.none
      ;(holder as LazyData).#text = ''
      ;(holder as LazyData).#value = value
    } else {
      defineProperty(holder, 'data', {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      })
    }
  }

  /** The event itself, or the one that an object was derived from. */
  static #owner(holder: unknown): LazyData | undefined {
    let object = holder
    while (typeof object === 'object' && object !== null) {
      if (#text in object) return object as LazyData
      object = getPrototypeOf(object)
    }
    return undefined
  }
}

// One pair of functions for all events, so that all events keep one hidden class.
const DATA_PROPERTY = {
  get(this: unknown): unknown {
    return LazyData.read(this)
  },
  set(this: unknown, value: unknown): void {
    LazyData.write(this, value)
  },
  enumerable: true,
  configurable: true,
}

/** The attributes as parsed, with `data` beside them. */
export function eventOf(run: Run): object {
  const event = run.attributes
  if (run.data === DATA.text) {
    defineProperty(event, 'data', {
      value: run.text,
      writable: true,
      enumerable: true,
      configurable: true,
    })
    return event
  }
  void new LazyData(event, run.data, run.text)
  return defineProperty(event, 'data', DATA_PROPERTY)
}

function parse(data: number, text: string): unknown {
  if (data === DATA.base64) return base64ToBytes(text)
  try {
    return jsonParse(charCodeAt(text, 0) === BYTE_ORDER_MARK ? slice(text, 1) : text)
  } catch (error) {
    throw new InvalidData(`event.data is no JSON: ${(error as Error).message}`)
  }
}

export class HandlerContext {
  readonly #run: Run
  #log: RunLog | undefined = undefined

  constructor(run: Run) {
    this.#run = run
  }

  get attempt(): number {
    return this.#run.attempt
  }

  /** `NAMESPACE/TRIGGER/SOURCE/ID`. */
  get idempotencyKey(): string {
    const { lane, attributes } = this.#run
    return `${lane.trigger.name}/${attributes['source'] as string}/${attributes['id'] as string}`
  }

  get trigger(): string {
    return this.#run.lane.trigger.name
  }

  get log(): RunLog {
    return (this.#log ??= runLog(this.#run))
  }

  get signal(): AbortSignal {
    return runSignal(this.#run)
  }
}

/** Whether `value` holds bytes. */
export function isBytes(value: unknown): value is Uint8Array {
  return typedArrayTag(value) === 'Uint8Array'
}
