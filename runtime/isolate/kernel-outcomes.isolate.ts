/** From what a function's `batch` returned to what came of each of its events. */
import {
  NativeError,
  NativeMap,
  capped,
  isArray,
  mapGet,
  mapSet,
  ownKeys,
  quote,
} from './kernel-intrinsics.isolate.ts'
import { collect, isAsyncIterable, isThenable } from './kernel-calls.isolate.ts'
import { KernelFault } from './kernel-faults.isolate.ts'
import { Replies, nameOf } from './kernel-reply.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'

const NONE = new Replies()
const RETURN =
  'return an array with an entry for each event, { batchItemFailures: […] }, or nothing'

/** What came of one event. */
export class Outcome {
  replies: Replies = NONE
  failed = false
  thrown: unknown = undefined
  /** Resolves, and never rejects, when the entry has come to its end; null for one that has. */
  waiting: Promise<void> | null = null
  next: Outcome | null = null

  fail(thrown: unknown): void {
    this.failed = true
    this.thrown = thrown
  }
}

/** The outcomes of a batch, in the order of its events. */
export class Outcomes {
  readonly first: Outcome
  #last: Outcome
  /** Some entry waits for something. */
  isWaiting = false

  /**
   * `run` is the first of `count` events. Throws a `KernelFault` for a value that does not say what came
   * of each event, or whatever a getter of it throws.
   */
  static of(run: Run, count: number, value: unknown): Outcomes {
    const outcomes = new Outcomes(count)
    if (value === undefined || value === null) return outcomes
    if (isArray(value)) outcomes.#readArray(run, count, value)
    else outcomes.#readFailures(run, value)
    return outcomes
  }

  private constructor(count: number) {
    this.first = this.#last = new Outcome()
    for (let index = 1; index < count; index++) this.#last = this.#last.next = new Outcome()
  }

  #readArray(run: Run, count: number, entries: unknown[]): void {
    if (entries.length !== count) {
      throw invalid(
        `batch returned ${entries.length} entries for ${count} events; return one for each, in their order`,
      )
    }
    let index = 0
    for (let outcome: Outcome | null = this.first; outcome !== null; outcome = outcome.next) {
      try {
        const entry = entries[index++]
        if (isThenable(entry) || isAsyncIterable(entry)) {
          this.isWaiting = true
          outcome.waiting = settle(outcome, run, entry)
        } else {
          read(outcome, entry)
        }
      } catch (error) {
        outcome.fail(error)
      }
    }
  }

  /** AWS Lambda's shape: those that are named failed, the others are done. */
  #readFailures(run: Run, value: unknown): void {
    const named = failuresOf(value)
    const found: Map<unknown, true> = new NativeMap()
    let outcome: Outcome | null = this.first
    for (let one: Run | null = run; one !== null && outcome !== null; one = one.next) {
      const { id } = one.attributes
      const fault = mapGet(named.byId, id)
      if (fault !== undefined) {
        outcome.fail(fault)
        mapSet(found, id, true)
      }
      outcome = outcome.next
    }
    for (let failure = named.first; failure !== null; failure = failure.next) {
      if (mapGet(found, failure.id) === undefined) {
        throw invalid(
          `batchItemFailures names ${quote(capped(failure.id, 200))}, and no event of the batch has that id`,
        )
      }
    }
  }
}

/** One entry is what `handler` would have returned for the event, or an error: what it would have thrown. */
function read(outcome: Outcome, entry: unknown): void {
  if (entry instanceof NativeError) return outcome.fail(entry)
  if (entry === undefined || entry === null) return
  const replies = new Replies()
  replies.addAll(entry)
  outcome.replies = replies
}

async function settle(outcome: Outcome, run: Run, entry: unknown): Promise<void> {
  try {
    const value = isThenable(entry) ? await entry : entry
    if (isAsyncIterable(value)) outcome.replies = await collect(run, value)
    else read(outcome, value)
  } catch (error) {
    outcome.fail(error)
  }
}

class Failure {
  readonly id: string
  readonly next: Failure | null
  constructor(id: string, next: Failure | null) {
    this.id = id
    this.next = next
  }
}

interface Failures {
  byId: Map<unknown, KernelFault>
  first: Failure | null
}

/** Strict: a name that is misspelt would otherwise turn a failure into a success. */
function failuresOf(value: unknown): Failures {
  if (typeof value !== 'object') throw invalid(`batch returned ${nameOf(value)}; ${RETURN}`)
  const names = ownKeys(value as object)
  const list =
    names.length === 1 ? (value as { batchItemFailures?: unknown }).batchItemFailures : undefined
  if (!isArray(list)) throw invalid(`batch returned an object that is no result; ${RETURN}`)
  const failures: Failures = { byId: new NativeMap(), first: null }
  for (let index = 0; index < list.length; index++) {
    const { id, reason } = failureOf(list[index], index)
    if (mapGet(failures.byId, id) !== undefined) continue
    mapSet(failures.byId, id, new KernelFault('FN_HANDLER_THREW', 'BatchItemFailure', reason))
    failures.first = new Failure(id, failures.first)
  }
  return failures
}

function failureOf(item: unknown, index: number): { id: string; reason: string } {
  const where = `batchItemFailures[${index}]`
  if (typeof item !== 'object' || item === null) {
    throw invalid(`${where} is ${nameOf(item)}; write { itemIdentifier: event.id }`)
  }
  const names = ownKeys(item)
  for (let at = 0; at < names.length; at++) {
    const name = names[at] as string
    if (name !== 'itemIdentifier' && name !== 'reason') {
      throw invalid(`${where} has ${quote(capped(name, 200))}; it takes itemIdentifier and reason`)
    }
  }
  const { itemIdentifier: id, reason } = item as { itemIdentifier?: unknown; reason?: unknown }
  if (typeof id !== 'string') {
    throw invalid(`${where}.itemIdentifier is ${nameOf(id)}; it is the id of an event`)
  }
  if (reason !== undefined && typeof reason !== 'string') {
    throw invalid(`${where}.reason is ${nameOf(reason)}; give a text`)
  }
  return { id, reason: reason ?? 'the function named the event among its batchItemFailures' }
}

function invalid(message: string): KernelFault {
  return new KernelFault('FN_HANDLER_INVALID_REPLY', 'InvalidReply', message)
}
