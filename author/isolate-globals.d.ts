/**
 * The globals of an isolate beyond the language itself. There is no DOM and no Node: what is not
 * declared here, a function does not have.
 */

/** At least 1 ms. Timers run only while an event of the function is being handled. */
declare function setTimeout<Args extends unknown[]>(
  callback: (...args: Args) => unknown,
  delayMs?: number,
  ...args: Args
): number
declare function clearTimeout(id: number | undefined): void
declare function setInterval<Args extends unknown[]>(
  callback: (...args: Args) => unknown,
  delayMs?: number,
  ...args: Args
): number
declare function clearInterval(id: number | undefined): void
declare function queueMicrotask(callback: () => void): void

/** Plain data, Map, Set, Date, RegExp, errors, buffers and their views. Nothing can be transferred. */
declare function structuredClone<Value>(value: Value): Value
declare function atob(data: string): string
declare function btoa(data: string): string

interface Console {
  debug(...values: unknown[]): void
  info(...values: unknown[]): void
  log(...values: unknown[]): void
  trace(...values: unknown[]): void
  warn(...values: unknown[]): void
  error(...values: unknown[]): void
}
/** Prefer `context.log`, which always knows its event; `console` may not after an `await`. */
declare const console: Console

declare class TextEncoder {
  readonly encoding: string
  encode(input?: string): Uint8Array
}

/** UTF-8 only. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  decode(input?: ArrayBuffer | ArrayBufferView): string
}

declare class DOMException extends Error {
  constructor(message?: string, name?: string)
  readonly code: number
}

declare class Event {
  constructor(type: string)
  readonly type: string
  readonly target: EventTarget | null
}

type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void }

declare class EventTarget {
  addEventListener(
    type: string,
    listener: EventListener | null,
    options?: boolean | { once?: boolean },
  ): void
  removeEventListener(type: string, listener: EventListener | null): void
  dispatchEvent(event: Event): boolean
}

declare class AbortSignal extends EventTarget {
  private constructor()
  static abort(reason?: unknown): AbortSignal
  static timeout(delayMs: number): AbortSignal
  static any(signals: Iterable<AbortSignal>): AbortSignal
  readonly aborted: boolean
  readonly reason: unknown
  onabort: ((event: Event) => void) | null
  throwIfAborted(): void
}

declare class AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}
