/**
 * `setTimeout` and its kin. The kernel keeps the timers; the worker reads from the marks when the first
 * is due and pumps then, so a callback runs under the pump's time limit like everything else.
 */
import {
  NativeMap,
  NativeRangeError,
  NativeTypeError,
  dateNow,
  isFiniteNumber,
  mapDelete,
  mapGet,
  mapSet,
  mapSize,
  reflectApply,
} from './kernel-intrinsics.isolate.ts'
import { DueList, type DueNode } from './kernel-due.isolate.ts'
import { setGlobal } from './kernel-jail.isolate.ts'
import type { Run } from './kernel-run.isolate.ts'

const MAX_TIMERS = 4_096
const MAX_DELAY_MS = 2 ** 31 - 1

class Timer implements DueNode<Timer> {
  due = 0
  before: Timer | null = null
  after: Timer | null = null
  readonly id: number
  readonly callback: () => unknown
  /** Milliseconds between two calls, or 0. */
  readonly everyMs: number
  /** Whose log lines its callback writes, as far as can be known. */
  readonly owner: Run | null
  cleared = false

  constructor(id: number, callback: () => unknown, everyMs: number, owner: Run | null) {
    this.id = id
    this.callback = callback
    this.everyMs = everyMs
    this.owner = owner
  }
}

export class Timers {
  readonly #byId: Map<unknown, Timer> = new NativeMap()
  readonly #due: DueList<Timer>
  readonly #currentRun: () => Run | null
  #lastId = 0

  constructor(onFirst: (due: number) => void, currentRun: () => Run | null) {
    this.#due = new DueList(onFirst)
    this.#currentRun = currentRun
  }

  set(callback: () => unknown, delayMs: number, repeat: boolean): number {
    if (mapSize(this.#byId) >= MAX_TIMERS) {
      throw new NativeRangeError(`more than ${MAX_TIMERS} timers in one isolate`)
    }
    // A delay of 0 is 1, as in Node: a loop of timers must come back to the worker.
    const delay = isFiniteNumber(delayMs) && delayMs > 1 && delayMs <= MAX_DELAY_MS ? delayMs : 1
    const timer = new Timer(++this.#lastId, callback, repeat ? delay : 0, this.#currentRun())
    timer.due = dateNow() + delay
    mapSet(this.#byId, timer.id, timer)
    this.#due.add(timer)
    return timer.id
  }

  clear(id: unknown): void {
    const timer = mapGet(this.#byId, id)
    if (timer === undefined) return
    timer.cleared = true
    mapDelete(this.#byId, id)
    this.#due.remove(timer)
  }

  /** Takes the first timer that is due; a repeating one is set anew. Null where none is. */
  takeDue(now: number): Timer | null {
    const timer = this.#due.first
    if (timer === null || timer.due > now) return null
    this.#due.remove(timer)
    if (timer.everyMs > 0) {
      timer.due = now + timer.everyMs
      this.#due.add(timer)
    } else {
      mapDelete(this.#byId, timer.id)
    }
    return timer
  }
}

export function installTimers(timers: Timers): void {
  const install = (name: string, repeat: boolean): void => {
    setGlobal(name, (callback: unknown, delay?: unknown, ...args: unknown[]): number => {
      if (typeof callback !== 'function') throw new NativeTypeError(`${name} needs a function`)
      return timers.set(() => reflectApply(callback, undefined, args), +(delay as number), repeat)
    })
  }
  install('setTimeout', false)
  install('setInterval', true)
  setGlobal('clearTimeout', (id: unknown): void => timers.clear(id))
  setGlobal('clearInterval', (id: unknown): void => timers.clear(id))
}
