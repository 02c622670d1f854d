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
  // One field, since each costs every event.
  #run: Run

  constructor(event: object, run: Run) {
    super(event)
    this.#run = run
  }

  static read(holder: unknown): unknown {
    const run = LazyData.#runOf(holder)
    if (run === undefined) return undefined
    if (run.data !== DATA.none) {
      run.value = parse(run.data, run.text)
      run.data = DATA.none
      run.text = ''
    }
    return run.value
  }

  static write(holder: object, value: unknown): void {
    if (!(#run in holder)) {
      defineProperty(holder, 'data', {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      })
      return
    }
    const run = holder.#run
    run.data = DATA.none
    run.text = ''
    run.value = value
  }

  /** Of the event itself, or of the one that an object was derived from. */
  static #runOf(holder: unknown): Run | undefined {
    let object = holder
    while (typeof object === 'object' && object !== null) {
      if (#run in object) return object.#run
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
  set(this: object, value: unknown): void {
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
  void new LazyData(event, run)
  return defineProperty(event, 'data', DATA_PROPERTY)
}

function parse(data: number, text: string): unknown {
  if (data === DATA.base64) return base64ToBytes(text)
  try {
    return jsonParse(text)
  } catch (error) {
    if (charCodeAt(text, 0) === BYTE_ORDER_MARK) return parse(data, slice(text, 1))
    throw new InvalidData(`event.data is no JSON: ${(error as Error).message}`)
  }
}

/** What `context.of` of a batch tells of one of its events. */
export class EventContext {
  readonly #run: Run
  #log: RunLog | undefined = undefined

  constructor(run: Run) {
    this.#run = run
  }

  get attempt(): number {
    return this.#run.attempt
  }

  get idempotencyKey(): string {
    return idempotencyKey(this.#run)
  }

  get log(): RunLog {
    return (this.#log ??= runLog(this.#run))
  }
}

/** `NAMESPACE/TRIGGER/SOURCE/ID`. */
function idempotencyKey({ lane, attributes }: Run): string {
  return `${lane.trigger.name}/${attributes['source'] as string}/${attributes['id'] as string}`
}

/** Whether `value` holds bytes. */
export function isBytes(value: unknown): value is Uint8Array {
  return typedArrayTag(value) === 'Uint8Array'
}

export class HandlerContext extends EventContext {
  readonly #run: Run

  constructor(run: Run) {
    super(run)
    this.#run = run
  }

  get trigger(): string {
    return this.#run.lane.trigger.name
  }

  get signal(): AbortSignal {
    return runSignal(this.#run)
  }
}
