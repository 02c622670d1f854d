/** Calls a function's `handler`, with one event at a time, and brings what it returns to its result. */
import { asyncIteratorSymbol } from './kernel-intrinsics.isolate.ts'
import { HandlerContext, eventOf } from './kernel-event.isolate.ts'
import type { Ledger } from './kernel-ledger.isolate.ts'
import { Replies } from './kernel-reply.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'
import { MARK, SLOT } from './marks.ts'

/** How the events of a function are handed to its code. */
export interface Calls {
  /** Calls the function with `run`, and with what may go with it. True if the call goes on asynchronously. */
  start(run: Run, now: number): boolean
  /** The call whose first event is `run` is given up, or threw. */
  fail(run: Run, thrown: unknown): void
}

export type Handler = (event: object, context: HandlerContext) => unknown

export class HandlerCalls implements Calls {
  readonly #ledger: Ledger
  readonly #handler: Handler
  readonly #settled: () => void

  /** `settled` hears of every end of a call that went on asynchronously. */
  constructor(ledger: Ledger, handler: Handler, settled: () => void) {
    this.#ledger = ledger
    this.#handler = handler
    this.#settled = settled
  }

  start(run: Run, now: number): boolean {
    const ledger = this.#ledger
    const handler = this.#handler
    ledger.current = run
    ledger.marks.ints[MARK.running] = run.slot
    ledger.starts(run, now)
    let pending: unknown
    try {
      const result = handler(eventOf(run), new HandlerContext(run))
      if (isAsync(result)) pending = result
      else this.#finish(run, result)
    } catch (error) {
      ledger.fail(run, error)
    }
    if (pending !== undefined) {
      ledger.suspends(run)
      ledger.marks.slots[run.slot] = SLOT.suspended
      void this.#settle(run, pending)
    }
    ledger.marks.ints[MARK.running] = -1
    return pending !== undefined
  }

  fail(run: Run, thrown: unknown): void {
    this.#ledger.fail(run, thrown)
  }

  async #settle(run: Run, pending: unknown): Promise<void> {
    const ledger = this.#ledger
    try {
      const value = isThenable(pending) ? await pending : pending
      if (isAsyncIterable(value)) {
        const replies = await collect(run, value)
        ledger.current = run
        ledger.done(run, replies)
      } else {
        ledger.current = run
        this.#finish(run, value)
      }
    } catch (error) {
      ledger.current = run
      ledger.fail(run, error)
    }
    this.#settled()
  }

  #finish(run: Run, value: unknown): void {
    const replies = new Replies()
    replies.addAll(value)
    this.#ledger.done(run, replies)
  }
}

export function isAsync(result: unknown): boolean {
  return isThenable(result) || isAsyncIterable(result)
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && asyncIteratorSymbol in value
}

/** The replies of an async iterable; those that come after the event was given up do not count. */
export async function collect(run: Run, source: AsyncIterable<unknown>): Promise<Replies> {
  const replies = new Replies()
  for await (const reply of source) {
    if (run.settled) break
    replies.add(reply)
  }
  return replies
}
