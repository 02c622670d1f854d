/**
 * The kernel: starts the events of a pump, brings back their results, and keeps handlers away from
 * both. It runs in the handler's own isolate, so it trusts nothing it did not take before the handler's
 * code was loaded (`kernel-intrinsics.isolate.ts`), and every way back to the host is a text.
 *
 * The last expression of this script is `boot`; the worker calls it once.
 */
import {
  dateNow,
  defineProperty,
  jsonParse,
  jsonStringify,
  ownKeys,
  slice,
} from './kernel-intrinsics.isolate.ts'
import { BatchCalls, type BatchHandler } from './kernel-batch.isolate.ts'
import { HandlerCalls, type Calls, type Handler } from './kernel-calls.isolate.ts'
import { KernelFault } from './kernel-faults.isolate.ts'
import { lockUp, setGlobal } from './kernel-jail.isolate.ts'
import { Ledger } from './kernel-ledger.isolate.ts'
import { answer, beginAnswer, emitLine, isAnswerFull } from './kernel-out.isolate.ts'
import { PUMP, ROW_NUMBERS, START_BUDGET_MS, type EventsHeader } from './kernel-protocol.ts'
import { Run, Triggers } from './kernel-run.isolate.ts'
import { Timers, installTimers } from './kernel-timers.isolate.ts'
import { DUE, MARK, marksOver, type Marks } from './marks.ts'
import { abortRun, installAbort } from './web-abort.isolate.ts'
import { installClone } from './web-clone.isolate.ts'
import { installConsole, show } from './web-console.isolate.ts'
import { installEncoding } from './web-encoding.isolate.ts'

const MODULE_GLOBAL = '__millraceModule'
/** How long a handler may tidy up after its signal fired. */
const ABORT_GRACE_MS = 100

let marks: Marks
let ledger: Ledger
let calls: Calls
let module: Record<string, unknown> = {}
let pumpStartedAt = 0
let looping = false
/** The loop stopped early; it goes on in the next pump. */
let paused = false

const triggers = new Triggers()
const timers = new Timers(
  (due) => {
    marks.due[DUE.timer] = due
  },
  () => ledger.current,
)

export interface Kernel {
  pump(flags: number, frames: Array<number | string>): [rows: string, texts: string]
  take(batchMax: number): [exports: string]
  metadata(): [json: string]
}

export function boot(memory: SharedArrayBuffer): Kernel {
  marks = marksOver(memory)
  ledger = new Ledger(marks)
  installConsole(() => ledger.current)
  installTimers(timers)
  installAbort(timers, (error) => emitLine(ledger.current, 3, `a listener threw: ${show(error)}`))
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

/**
 * After the bundle ran: keeps its `handler`, or its `batch` for up to `batchMax` events a call. Answers
 * the names of its exports as JSON.
 */
function take(batchMax: number): [exports: string] {
  delete (globalThis as Record<string, unknown>)[MODULE_GLOBAL]
  const { handler, batch } = module
  calls =
    handler === undefined && typeof batch === 'function'
      ? new BatchCalls(ledger, batch as BatchHandler, batchMax, goOn)
      : new HandlerCalls(ledger, handler as Handler, goOn)
  return [jsonStringify(ownKeys(module)) as string]
}

function metadata(): [json: string] {
  return [jsonStringify(module['metadata']) ?? 'null']
}

/** `frames`: pairs of the units of a header and the text that begins with it. */
function pump(flags: number, frames: Array<number | string>): [rows: string, texts: string] {
  marks.ints[MARK.running] = -1
  marks.ints[MARK.more] = 0
  pumpStartedAt = ledger.clock = dateNow()
  paused = false
  ledger.current = null
  if ((flags & PUMP.keep) === 0) {
    ledger.freeDone()
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
    ledger.waits(run)
    trigger.add(run)
  }
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
      const now = ledger.clock
      if (now - pumpStartedAt >= START_BUDGET_MS || isAnswerFull()) {
        paused = true
        marks.ints[MARK.more] = 1
        return
      }
      if (fireDeadline(now) || fireTimer(now)) {
        await undefined
        ledger.clock = dateNow()
        continue
      }
      const run = triggers.take()
      if (run === null) return
      if (calls.start(run, now)) {
        await undefined
        ledger.clock = dateNow()
      }
    }
  } finally {
    looping = false
  }
}

/** A call that waited has come to its end: its lane, or its place, may be free for another. */
function goOn(): void {
  if (!looping && !paused) void loop()
}

/** First the signal, then, a little later, the event's failure. True if one was due. */
function fireDeadline(now: number): boolean {
  const run = ledger.suspended.first
  if (run === null || run.due > now) return false
  ledger.current = run.next === null ? run : null
  const { controller } = run
  if (controller !== null && run.due === run.startedAt + run.timeoutMs) {
    ledger.suspended.remove(run)
    run.due = now + ABORT_GRACE_MS
    ledger.suspended.add(run)
    try {
      abortRun(controller, run.timeoutMs)
    } catch (error) {
      emitLine(run, 3, `aborting threw: ${show(error)}`)
    }
    return true
  }
  ledger.becomesZombie(run)
  giveUp(run, 'FN_HANDLER_TIMEOUT', 'Timeout', `not done within ${run.timeoutMs} ms`)
  return true
}

function fireTimer(now: number): boolean {
  const timer = timers.takeDue(now)
  if (timer === null) return false
  ledger.current = timer.owner
  try {
    timer.callback()
  } catch (error) {
    emitLine(ledger.current, 3, `a timer's callback threw: ${show(error)}`)
  }
  return true
}

function failDeadlocked(): void {
  for (let run = ledger.suspended.first; run !== null; run = ledger.suspended.first) {
    giveUp(
      run,
      'FN_HANDLER_DEADLOCK',
      'Deadlock',
      'the handler waits for a promise that nothing can resolve: no timer is set and nothing else runs',
    )
  }
}

function giveUp(run: Run, code: string, errorClass: string, message: string): void {
  calls.fail(run, new KernelFault(code, errorClass, message))
}

async function microtask(callback: () => unknown): Promise<void> {
  await undefined
  try {
    callback()
  } catch (error) {
    emitLine(ledger.current, 3, `a microtask threw: ${show(error)}`)
  }
}
