/**
 * The kernel: starts the events of a pump, brings back their results, and keeps handlers away from
 * both. It runs in the handler's own isolate, so it trusts nothing it did not take before the handler's
 * code was loaded (`kernel-intrinsics.isolate.ts`), and every way back to the host is a text.
 *
 * The last expression of this script is `boot`; the worker calls it once.
 */
import {
  asyncIteratorSymbol,
  dateNow,
  defineProperty,
  jsonParse,
  jsonStringify,
  ownKeys,
  slice,
} from './kernel-intrinsics.isolate.ts'
import { DueList } from './kernel-due.isolate.ts'
import { HandlerContext, eventOf } from './kernel-event.isolate.ts'
import { KernelFault, describe, faultFields } from './kernel-faults.isolate.ts'
import { lockUp, setGlobal } from './kernel-jail.isolate.ts'
import {
  answer,
  beginAnswer,
  emit,
  emitLine,
  isAnswerFull,
  reasonText,
} from './kernel-out.isolate.ts'
import { PUMP, ROW_NUMBERS, STATUS, START_BUDGET_MS, type EventsHeader } from './kernel-protocol.ts'
import { Replies } from './kernel-reply.isolate.ts'
import { Run, Triggers } from './kernel-run.isolate.ts'
import { Timers, installTimers } from './kernel-timers.isolate.ts'
import { DUE, MARK, SLOT, marksOver, type Marks } from './marks.ts'
import { abortRun, installAbort } from './web-abort.isolate.ts'
import { installClone } from './web-clone.isolate.ts'
import { installConsole, show } from './web-console.isolate.ts'
import { installEncoding } from './web-encoding.isolate.ts'

const MODULE_GLOBAL = '__millraceModule'
/** How long a handler may tidy up after its signal fired. */
const ABORT_GRACE_MS = 100

type Handler = (event: object, context: HandlerContext) => unknown

let marks: Marks
let handler: Handler
let module: Record<string, unknown> = {}
/** Whose code runs, as far as is known. */
let current: Run | null = null
let pumpStartedAt = 0
/** The time as last looked at: looking costs too much to do it twice for an event. */
let clock = 0
let looping = false
/** The loop stopped early; it goes on in the next pump. */
let paused = false

const triggers = new Triggers()
const timers = new Timers(
  (due) => {
    marks.due[DUE.timer] = due
  },
  () => current,
)
const suspended = new DueList<Run>((due) => {
  marks.due[DUE.deadline] = due
})

export interface Kernel {
  pump(flags: number, frames: Array<number | string>): [rows: string, texts: string]
  take(): [exports: string]
  metadata(): [json: string]
}

export function boot(memory: SharedArrayBuffer): Kernel {
  marks = marksOver(memory)
  marks.ints[MARK.running] = -1
  marks.due[DUE.timer] = Infinity
  marks.due[DUE.deadline] = Infinity
  installConsole(() => current)
  installTimers(timers)
  installAbort(timers, (error) => emitLine(current, 3, `a listener threw: ${show(error)}`))
  installClone()
  installEncoding()
  setGlobal('queueMicrotask', (callback: () => unknown): void => {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function')
    void microtask(callback)
  })
  // The bundle's `var` finds this property and assigns to it.
  defineProperty(globalThis, MODULE_GLOBAL, {
    configurable: true,
    get: () => module,
    set: (exports: Record<string, unknown>) => {
      module = exports
    },
  })
  lockUp()
  return { pump, take, metadata }
}

/** After the bundle ran: keeps its handler. Answers the names of its exports as JSON. */
function take(): [exports: string] {
  delete (globalThis as Record<string, unknown>)[MODULE_GLOBAL]
  handler = module['handler'] as Handler
  return [jsonStringify(ownKeys(module)) as string]
}

function metadata(): [json: string] {
  return [jsonStringify(module['metadata']) ?? 'null']
}

/** `frames`: pairs of the units of a header and the text that begins with it. */
function pump(flags: number, frames: Array<number | string>): [rows: string, texts: string] {
  marks.ints[MARK.running] = -1
  marks.ints[MARK.more] = 0
  pumpStartedAt = clock = dateNow()
  paused = false
  current = null
  if ((flags & PUMP.keep) === 0) {
    freeDone()
    marks.ints[MARK.pump] = ((marks.ints[MARK.pump] as number) + 1) | 0
    beginAnswer()
  }
  for (let index = 0; index < frames.length; index += 2) {
    addEvents(frames[index + 1] as string, frames[index] as number)
  }
  if ((flags & PUMP.deadlock) !== 0) failDeadlocked()
  if (!looping) void loop()
  return answer
}

/** Slots of results that have been answered. A list by slot would need care; the slots are few. */
let firstDone: Run | null = null

function freeDone(): void {
  for (let run = firstDone; run !== null; run = run.next) marks.slots[run.slot] = SLOT.free
  firstDone = null
}

function addEvents(text: string, headerUnits: number): void {
  const header = jsonParse(slice(text, 0, headerUnits)) as EventsHeader
  const { t: names, n: numbers, a: attributes } = header
  let at = headerUnits
  for (let index = 0; index < attributes.length; index++) {
    const row = index * ROW_NUMBERS
    const units = numbers[row + 2] as number
    const trigger = triggers.get(names[numbers[row + 4] as number] as string)
    trigger.concurrency = numbers[row + 5] as number
    const run = new Run(
      numbers[row] as number,
      trigger.lane(numbers[row + 3] as number),
      numbers[row + 6] as number,
      numbers[row + 7] as number,
      attributes[index] as EventsHeader['a'][number],
      numbers[row + 1] as number,
      slice(text, at, at + units),
    )
    at += units
    marks.slots[run.slot] = SLOT.waiting
    trigger.add(run)
  }
  marks.ints[MARK.held] = (marks.ints[MARK.held] as number) + attributes.length
}

/**
 * Fires what is due and starts what may start, one at a time. After each that goes on asynchronously
 * the microtasks run first, so that a continuation comes before the next start and the clock is looked
 * at in between.
 */
async function loop(): Promise<void> {
  looping = true
  try {
    for (;;) {
      const now = clock
      if (now - pumpStartedAt >= START_BUDGET_MS || isAnswerFull()) {
        paused = true
        marks.ints[MARK.more] = 1
        return
      }
      if (fireDeadline(now) || fireTimer(now)) {
        await undefined
        clock = dateNow()
        continue
      }
      const run = triggers.take()
      if (run === null) return
      if (start(run, now)) {
        await undefined
        clock = dateNow()
      }
    }
  } finally {
    looping = false
  }
}

/** Calls the handler. True if its event goes on asynchronously. */
function start(run: Run, now: number): boolean {
  const { slot } = run
  current = run
  run.startedAt = now
  marks.ints[MARK.running] = slot
  marks.slots[slot] = SLOT.firstStretch
  let pending: unknown
  try {
    const result = handler(eventOf(run), new HandlerContext(run))
    if (isAsync(result)) pending = result
    else finish(run, result)
  } catch (error) {
    fail(run, error)
  }
  if (pending !== undefined) suspend(run, pending)
  marks.ints[MARK.running] = -1
  return pending !== undefined
}

function isAsync(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  return typeof (result as { then?: unknown }).then === 'function' || asyncIteratorSymbol in result
}

function suspend(run: Run, pending: unknown): void {
  run.suspended = true
  run.due = run.startedAt + run.timeoutMs
  suspended.add(run)
  run.lane.trigger.suspended++
  marks.slots[run.slot] = SLOT.suspended
  marks.ints[MARK.suspended] = (marks.ints[MARK.suspended] as number) + 1
  void settle(run, pending)
}

async function settle(run: Run, pending: unknown): Promise<void> {
  try {
    const value =
      typeof (pending as { then?: unknown }).then === 'function' ? await pending : pending
    if (typeof value === 'object' && value !== null && asyncIteratorSymbol in value) {
      const replies = new Replies()
      for await (const reply of value as AsyncIterable<unknown>) {
        if (run.settled) break
        replies.add(reply)
      }
      current = run
      done(run, replies)
    } else {
      current = run
      finish(run, value)
    }
  } catch (error) {
    current = run
    fail(run, error)
  }
  if (!looping && !paused) void loop()
}

function finish(run: Run, value: unknown): void {
  const replies = new Replies()
  replies.addAll(value)
  done(run, replies)
}

function done(run: Run, replies: Replies): void {
  if (wasSettled(run)) return
  emit(
    `[${STATUS.done},${run.slot},${elapsed(run)},[${run.logs}],[${replies.rows}]]`,
    replies.texts,
  )
  conclude(run)
  run.lane.trigger.release(run.lane)
}

function fail(run: Run, thrown: unknown): void {
  if (wasSettled(run)) return
  const fault = describe(thrown)
  const head = `${run.slot},${elapsed(run)},[${run.logs}]`
  if (fault.code === 'drop') {
    emit(`[${STATUS.dropped},${head},${reasonText(fault.message)}]`, '')
    conclude(run)
  } else {
    emit(`[${STATUS.failed},${head},${faultFields(fault)}]`, '')
    conclude(run)
    returnLane(run)
  }
  run.lane.trigger.release(run.lane)
}

/** What stands behind a failed event of its lane must not overtake its retry. */
function returnLane(failed: Run): void {
  for (let run = failed.lane.take(); run !== null; run = failed.lane.take()) {
    emit(`[${STATUS.again},${run.slot}]`, '')
    conclude(run)
  }
}

/** The handler of an event that was given up came to its end after all. */
function wasSettled(run: Run): boolean {
  if (!run.settled) return false
  if (run.zombie) {
    run.zombie = false
    marks.ints[MARK.zombies] = (marks.ints[MARK.zombies] as number) - 1
  }
  return true
}

function conclude(run: Run): void {
  run.settled = true
  marks.slots[run.slot] = SLOT.done
  marks.ints[MARK.held] = (marks.ints[MARK.held] as number) - 1
  if (run.suspended) {
    run.suspended = false
    suspended.remove(run)
    run.lane.trigger.suspended--
    marks.ints[MARK.suspended] = (marks.ints[MARK.suspended] as number) - 1
  }
  run.next = firstDone
  firstDone = run
}

function elapsed(run: Run): number {
  clock = dateNow()
  return clock - run.startedAt
}

/** First the signal, then, a little later, the event's failure. True if one was due. */
function fireDeadline(now: number): boolean {
  const run = suspended.first
  if (run === null || run.due > now) return false
  current = run
  const { controller } = run
  if (controller !== null && run.due === run.startedAt + run.timeoutMs) {
    suspended.remove(run)
    run.due = now + ABORT_GRACE_MS
    suspended.add(run)
    try {
      abortRun(controller, run.timeoutMs)
    } catch (error) {
      emitLine(run, 3, `aborting threw: ${show(error)}`)
    }
    return true
  }
  run.zombie = true
  marks.ints[MARK.zombies] = (marks.ints[MARK.zombies] as number) + 1
  giveUp(run, 'FN_HANDLER_TIMEOUT', 'Timeout', `not done within ${run.timeoutMs} ms`)
  return true
}

function fireTimer(now: number): boolean {
  const timer = timers.takeDue(now)
  if (timer === null) return false
  current = timer.owner
  try {
    timer.callback()
  } catch (error) {
    emitLine(current, 3, `a timer's callback threw: ${show(error)}`)
  }
  return true
}

function failDeadlocked(): void {
  for (let run = suspended.first; run !== null; run = suspended.first) {
    giveUp(
      run,
      'FN_HANDLER_DEADLOCK',
      'Deadlock',
      'the handler waits for a promise that nothing can resolve: no timer is set and nothing else runs',
    )
  }
}

function giveUp(run: Run, code: string, errorClass: string, message: string): void {
  fail(run, new KernelFault(code, errorClass, message))
}

async function microtask(callback: () => unknown): Promise<void> {
  await undefined
  try {
    callback()
  } catch (error) {
    emitLine(current, 3, `a microtask threw: ${show(error)}`)
  }
}
