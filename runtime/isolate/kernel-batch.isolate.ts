/**
 * Calls a function's `batch` with what is there, and sorts out what came of each event. What cannot be
 * told apart (the call threw, was given up, or returned what is no result) is nobody's failure while it
 * may be another's: then each event of the batch runs again alone.
 */
import {
  NativeMap,
  NativeTypeError,
  defineProperty,
  mapGet,
  mapSet,
} from './kernel-intrinsics.isolate.ts'
import { isThenable, type Calls } from './kernel-calls.isolate.ts'
import { EventContext, eventOf } from './kernel-event.isolate.ts'
import { describe } from './kernel-faults.isolate.ts'
import type { Ledger } from './kernel-ledger.isolate.ts'
import { emitLine } from './kernel-out.isolate.ts'
import { Outcomes, type Outcome } from './kernel-outcomes.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'
import { MARK, SLOT } from './marks.ts'
import { runSignal, type AbortSignal } from './web-abort.isolate.ts'
import { runLog, type RunLog } from './web-console.isolate.ts'

const WARN = 2

export type BatchHandler = (events: object[], context: BatchContext) => unknown

export class BatchCalls implements Calls {
  readonly #ledger: Ledger
  readonly #handler: BatchHandler
  readonly #max: number
  readonly #settled: () => void

  constructor(ledger: Ledger, handler: BatchHandler, max: number, settled: () => void) {
    this.#ledger = ledger
    this.#handler = handler
    this.#max = max
    this.#settled = settled
  }

  start(first: Run, now: number): boolean {
    const ledger = this.#ledger
    const handler = this.#handler
    const count = first.lane.trigger.takeMore(first, this.#max)
    ledger.current = ownLines(first)
    ledger.marks.ints[MARK.running] = first.slot
    let pending: PromiseLike<unknown> | Outcomes | null = null
    try {
      const events = this.#eventsOf(first, now)
      const result = handler(events, new BatchContext(first))
      if (isThenable(result)) {
        pending = result
      } else {
        const outcomes = Outcomes.of(first, count, result)
        if (outcomes.isWaiting) pending = outcomes
        else this.#finish(first, outcomes)
      }
    } catch (error) {
      this.fail(first, error)
    }
    if (pending !== null) this.#suspend(first, count, pending)
    ledger.marks.ints[MARK.running] = -1
    return pending !== null
  }

  fail(first: Run, thrown: unknown): void {
    const ledger = this.#ledger
    if (ledger.wasSettled(first)) return
    if (first.next === null) return ledger.fail(first, thrown)
    const { errorClass, message } = describe(thrown)
    emitLine(
      null,
      WARN,
      `a batch failed, its events run again one by one: ${errorClass}: ${message}`,
    )
    for (let run: Run | null = first; run !== null;) {
      const { next }: Run = run
      ledger.again(run, true)
      run = next
    }
  }

  /** All in the handler's array; the batch's deadline is that of the most impatient. */
  #eventsOf(first: Run, now: number): object[] {
    const events: object[] = []
    let index = 0
    // All are marked before any of their code can run.
    for (let run: Run | null = first; run !== null; run = run.next) {
      this.#ledger.starts(run, now)
      if (run.timeoutMs < first.timeoutMs) first.timeoutMs = run.timeoutMs
    }
    for (let run: Run | null = first; run !== null; run = run.next) {
      defineProperty(events, index++, {
        value: eventOf(run),
        writable: true,
        enumerable: true,
        configurable: true,
      })
    }
    return events
  }

  #suspend(first: Run, count: number, pending: PromiseLike<unknown> | Outcomes): void {
    const { marks } = this.#ledger
    this.#ledger.suspends(first)
    for (let run: Run | null = first; run !== null; run = run.next) {
      marks.slots[run.slot] = SLOT.suspended
    }
    void this.#settle(first, count, pending)
  }

  async #settle(
    first: Run,
    count: number,
    pending: PromiseLike<unknown> | Outcomes,
  ): Promise<void> {
    const ledger = this.#ledger
    try {
      let outcomes: Outcomes | null = null
      if (pending instanceof Outcomes) {
        outcomes = pending
      } else {
        const value = await pending
        ledger.current = ownLines(first)
        // Once it was given up its events are no longer its own.
        if (!first.settled) outcomes = Outcomes.of(first, count, value)
      }
      for (let one = outcomes?.first ?? null; one !== null; one = one.next) {
        if (one.waiting !== null) await one.waiting
      }
      ledger.current = ownLines(first)
      if (outcomes !== null) this.#finish(first, outcomes)
    } catch (error) {
      ledger.current = ownLines(first)
      this.fail(first, error)
    }
    ledger.wasSettled(first)
    this.#settled()
  }

  #finish(first: Run, outcomes: Outcomes): void {
    const ledger = this.#ledger
    if (ledger.wasSettled(first)) return
    let outcome: Outcome | null = outcomes.first
    for (let run: Run | null = first; run !== null && outcome !== null; outcome = outcome.next) {
      const { next, lane }: Run = run
      if (lane.failed) ledger.again(run, false)
      else if (outcome.failed) ledger.fail(run, outcome.thrown)
      else ledger.done(run, outcome.replies)
      run = next
    }
  }
}

/** The lines of a batch of several are no event's. */
function ownLines(first: Run): Run | null {
  return first.next === null ? first : null
}

export class BatchContext {
  readonly #first: Run
  #log: RunLog | undefined = undefined
  #runs: Map<unknown, Run> | undefined = undefined

  constructor(first: Run) {
    this.#first = first
  }

  get trigger(): string {
    return this.#first.lane.trigger.name
  }

  get log(): RunLog {
    return (this.#log ??= runLog(ownLines(this.#first)))
  }

  get signal(): AbortSignal {
    return runSignal(this.#first)
  }

  /** What concerns one event of the batch. */
  of(event: unknown): EventContext {
    const run = mapGet((this.#runs ??= runsByEvent(this.#first)), event)
    if (run === undefined) {
      throw new NativeTypeError('context.of takes one of the events that batch was called with')
    }
    return new EventContext(run)
  }
}

function runsByEvent(first: Run): Map<unknown, Run> {
  const runs: Map<unknown, Run> = new NativeMap()
  // The links are the batch's only until it has its results.
  if (first.settled) return runs
  for (let run: Run | null = first; run !== null; run = run.next) mapSet(runs, run.attributes, run)
  return runs
}
