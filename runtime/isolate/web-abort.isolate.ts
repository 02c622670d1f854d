/** `Event`, `EventTarget`, `AbortController`, `AbortSignal` and `DOMException`, as far as aborting needs. */
import { NativeError, NativeTypeError, defineProperty } from './kernel-intrinsics.isolate.ts'
import { setGlobal } from './kernel-jail.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'
import type { Timers } from './kernel-timers.isolate.ts'

const CODES: Record<string, number> = { AbortError: 20, TimeoutError: 23, DataCloneError: 25 }

export class DOMException extends NativeError {
  readonly code: number

  constructor(message = '', name = 'Error') {
    super(message)
    defineProperty(this, 'name', { value: name, configurable: true, writable: true })
    this.code = CODES[name] ?? 0
  }
}

export class Event {
  readonly type: string
  target: EventTarget | null = null
  defaultPrevented = false
  constructor(type: string) {
    this.type = `${type}`
  }
}

type Callback = (event: Event) => void
type Listener = Callback | { handleEvent: Callback }

class Entry {
  readonly type: string
  readonly listener: Listener
  readonly once: boolean
  removed = false
  next: Entry | null = null
  constructor(type: string, listener: Listener, once: boolean) {
    this.type = type
    this.listener = listener
    this.once = once
  }
}

/** Set by the kernel: where the errors of listeners go. */
let report: (error: unknown) => void = () => {}

export class EventTarget {
  #first: Entry | null = null

  addEventListener(
    type: string,
    listener: Listener | null,
    options?: boolean | { once?: boolean },
  ): void {
    if (listener === null || listener === undefined) return
    const once = typeof options === 'object' && options !== null && options.once === true
    let last: Entry | null = null
    for (let entry = this.#first; entry !== null; entry = entry.next) {
      if (entry.type === type && entry.listener === listener && !entry.removed) return
      last = entry
    }
    const entry = new Entry(type, listener, once)
    if (last === null) this.#first = entry
    else last.next = entry
  }

  removeEventListener(type: string, listener: Listener | null): void {
    let last: Entry | null = null
    for (let entry = this.#first; entry !== null; entry = entry.next) {
      if (entry.type === type && entry.listener === listener) {
        entry.removed = true
        if (last === null) this.#first = entry.next
        else last.next = entry.next
        return
      }
      last = entry
    }
  }

  dispatchEvent(event: Event): boolean {
    event.target = this
    for (let entry = this.#first; entry !== null; entry = entry.next) {
      if (entry.type !== event.type || entry.removed) continue
      if (entry.once) this.removeEventListener(entry.type, entry.listener)
      callListener(entry.listener, event)
    }
    return !event.defaultPrevented
  }
}

function callListener(listener: Listener, event: Event): void {
  try {
    if (typeof listener === 'function') listener(event)
    else listener.handleEvent(event)
  } catch (error) {
    report(error)
  }
}

const SECRET = {}
// Filled by static blocks: the kernel's own ways in, which no handler can reach or replace.
let setAborted: (signal: AbortSignal, reason: unknown) => void
let abort: (controller: AbortController, reason: unknown) => void
let signalOf: (controller: AbortController) => AbortSignal

export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown = undefined
  onabort: Callback | null = null

  static {
    setAborted = (signal: AbortSignal, reason: unknown): void => {
      if (signal.#aborted) return
      signal.#aborted = true
      signal.#reason =
        reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
      const event = new Event('abort')
      event.target = signal
      if (typeof signal.onabort === 'function') callListener(signal.onabort, event)
      signal.dispatchEvent(event)
    }
  }

  constructor(secret?: unknown) {
    super()
    if (secret !== SECRET) throw new NativeTypeError('Illegal constructor')
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(SECRET)
    setAborted(signal, reason)
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const joined = new AbortSignal(SECRET)
    for (const signal of signals) {
      if (signal.#aborted) {
        setAborted(joined, signal.#reason)
        return joined
      }
    }
    for (const signal of signals) {
      signal.addEventListener('abort', () => setAborted(joined, signal.#reason), { once: true })
    }
    return joined
  }
}

export class AbortController {
  readonly #signal = new AbortSignal(SECRET)

  static {
    abort = (controller: AbortController, reason: unknown): void =>
      setAborted(controller.#signal, reason)
    signalOf = (controller: AbortController): AbortSignal => controller.#signal
  }

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason?: unknown): void {
    setAborted(this.#signal, reason)
  }
}

/** `context.signal`. Made when it is first asked for: most handlers never do. */
export function runSignal(run: Run): AbortSignal {
  run.controller ??= new AbortController()
  return signalOf(run.controller)
}

export function abortRun(controller: AbortController, timeoutMs: number): void {
  const reason = new DOMException(`not done within ${timeoutMs} ms`, 'TimeoutError')
  abort(controller, reason)
}

export function installAbort(timers: Timers, reportError: (error: unknown) => void): void {
  report = reportError
  const timeout = (delayMs: number): AbortSignal => {
    const controller = new AbortController()
    const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError')
    timers.set(() => abort(controller, reason), +delayMs, false)
    return signalOf(controller)
  }
  defineProperty(AbortSignal, 'timeout', {
    value: timeout,
    writable: true,
    enumerable: false,
    configurable: true,
  })
  setGlobal('DOMException', DOMException)
  setGlobal('Event', Event)
  setGlobal('EventTarget', EventTarget)
  setGlobal('AbortController', AbortController)
  setGlobal('AbortSignal', AbortSignal)
}
