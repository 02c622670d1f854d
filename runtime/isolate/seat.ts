/** A function's place in a worker: what of it is in flight there, by slot. */
import type { Logger } from '../contract/log.ts'
import type { FunctionManifest } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'
import type { LogLine, WorkItem, WorkResult } from '../contract/work.ts'
import type { Casualties } from '../contract/worker-messages.ts'
import { blame, lossFault, type Loss } from './blame.ts'
import { encodeEvents } from './event-frame.ts'
import { MAX_SLOTS } from './marks.ts'
import { decodeResults } from './result-frame.ts'
import type { StackMap } from './stack-map.ts'
import { bad } from './worker-answer.ts'
import type { Tenant, WorkerGroup } from './worker-group.ts'

/** Beyond the longest `timeoutMs` in flight. */
const STALLED_AFTER_MS = 30_000
/** A machine that never has time must not keep an endless loop from being blamed. */
const MAX_STARVED_VERDICTS = 3
/** For as long only that many losses are put down to the machine. */
const STARVED_WINDOW_MS = 60_000

export interface SeatOptions {
  group: WorkerGroup
  manifest: FunctionManifest
  code: Buffer
  stacks: StackMap
  log: Logger
  maxReplyBytes: number
  /** Its items run one at a time with nothing beside them: who is in flight is to blame. */
  alone: boolean
  ready(): void
  failed(fault: Fault): 'again' | 'leave'
  /** `results[i]` is of `items[i]`. */
  finished(results: WorkResult[], items: WorkItem[]): void
}

export class Seat implements Tenant {
  readonly name: string
  readonly code: Buffer
  readonly limits: Tenant['limits']
  readonly #options: SeatOptions
  readonly #items: Array<WorkItem | undefined> = []
  readonly #free: number[] = []
  #id: number | undefined
  #inFlight = 0
  #heardAt = 0
  #longestMs = 0
  #starved = 0
  #starvedSince = Number.NEGATIVE_INFINITY
  #starvedLosses = 0

  constructor(options: SeatOptions) {
    this.#options = options
    this.name = `${options.manifest.namespace}/${options.manifest.name}`
    this.code = options.code
    this.limits = { ...options.manifest.limits, batchMax: options.manifest.batch.max }
  }

  hasRoom(items: number): boolean {
    return this.#id !== undefined && MAX_SLOTS - this.#inFlight >= items
  }

  send(items: readonly WorkItem[]): void {
    if (this.#inFlight === 0) this.#heardAt = performance.now()
    const slots = items.map((item) => {
      const slot = this.#free.pop() ?? this.#items.length
      this.#items[slot] = item
      if (item.timeoutMs > this.#longestMs) this.#longestMs = item.timeoutMs
      return slot
    })
    this.#inFlight += items.length
    this.#options.group.write(encodeEvents(this.#id as number, items, slots))
  }

  loaded(id: number): void {
    this.#id = id
    this.#options.ready()
  }

  initFailed(fault: Fault): 'again' | 'leave' {
    this.#id = undefined
    const mapped = this.#options.stacks.fault(fault)
    const next = this.#options.failed(mapped)
    this.#settle(this.#slots(), (id) => failed(id, mapped, 0))
    return next
  }

  results(payload: Buffer, rowsBytes: number): void {
    this.#heardAt = performance.now()
    this.#starved = 0
    const slots: number[] = []
    const items: WorkItem[] = []
    let results: WorkResult[]
    try {
      results = decodeResults(payload, rowsBytes, {
        idOf: (slot) => {
          const item = this.#take(slot)
          slots.push(slot)
          items.push(item)
          return item.id
        },
        line: (line) => this.#logLine(line),
        stacks: this.#options.stacks,
        maxReplyBytes: this.#options.maxReplyBytes,
      })
    } catch (error) {
      // The worker is about to be killed; these items have no result yet.
      slots.forEach((slot, index) => (this.#items[slot] = items[index]))
      this.#inFlight += slots.length
      throw error
    }
    for (const slot of slots) this.#free.push(slot)
    if (results.length > 0) this.#options.finished(results, items)
  }

  isolateLost(casualties: Casualties): void {
    this.#heardAt = performance.now()
    const verdict = blame(casualties)
    const all = [...verdict.accused, ...verdict.suspects, ...verdict.innocent]
    if (new Set(all).size !== all.length) throw bad('a slot twice')
    for (const slot of all) if (this.#items[slot] === undefined) throw bad('a slot not in flight')
    const { cause, starved } = casualties
    this.#options.log.warn(
      { function: this.name, cause, starved, accused: verdict.accused.length },
      'isolate lost; a fresh one takes its place',
    )
    this.#options.group.lostIsolate(this.name, cause)
    if (this.#options.alone && cause !== 'evicted') return this.#blameAll(cause, starved)
    // Hundreds of suspects, each alone, would take minutes; the machine is the first suspect.
    if (starved && this.#isMachinesFault()) {
      return this.#settle(all, (id) => ({ id, status: 'again', suspect: false }))
    }
    const fault = lossFault(cause, this.limits)
    const spentMs = cause === 'cpu' ? this.limits.cpuMs : 0
    this.#settle(verdict.accused, (id) => failed(id, fault, spentMs))
    this.#settle(verdict.suspects, (id) => ({ id, status: 'again', suspect: true }))
    this.#settle(verdict.innocent, (id) => ({ id, status: 'again', suspect: false }))
  }

  workerLost(loss: Loss, mine: boolean): void {
    this.#id = undefined
    const slots = this.#slots()
    if (slots.length === 0) return
    if (mine && this.#options.alone) return this.#blameAll(loss, false)
    this.#settle(slots, (id) => ({ id, status: 'again', suspect: mine }))
  }

  line(level: LogLine['level'], text: string): void {
    this.#logLine({ level, message: this.#options.stacks.stack(text) })
  }

  isBusy(): boolean {
    return this.#inFlight > 0
  }

  isStalled(): boolean {
    if (this.#inFlight === 0) return false
    return performance.now() - this.#heardAt > this.#longestMs + STALLED_AFTER_MS
  }

  #isMachinesFault(): boolean {
    const now = performance.now()
    if (now - this.#starvedSince > STARVED_WINDOW_MS) {
      this.#starvedSince = now
      this.#starvedLosses = 0
    }
    return ++this.#starvedLosses < MAX_STARVED_VERDICTS
  }

  #blameAll(loss: Loss, starved: boolean): void {
    this.#starved = starved ? this.#starved + 1 : 0
    if (starved && this.#starved < MAX_STARVED_VERDICTS) {
      this.#settle(this.#slots(), (id) => ({ id, status: 'again', suspect: true }))
      return
    }
    const fault = lossFault(loss, this.limits)
    const spentMs = fault.code === 'FN_HANDLER_CPU' ? this.limits.cpuMs : 0
    this.#settle(this.#slots(), (id) => failed(id, fault, spentMs))
  }

  #settle(slots: readonly number[], result: (id: number) => WorkResult): void {
    if (slots.length === 0) return
    const items = slots.map((slot) => this.#take(slot))
    for (const slot of slots) this.#free.push(slot)
    this.#options.finished(
      items.map((item) => result(item.id)),
      items,
    )
  }

  #take(slot: number): WorkItem {
    const item = this.#items[slot]
    if (item === undefined) throw bad(`slot ${slot}, which is not in flight`)
    this.#items[slot] = undefined
    this.#inFlight--
    return item
  }

  #slots(): number[] {
    const slots: number[] = []
    this.#items.forEach((item, slot) => {
      if (item !== undefined) slots.push(slot)
    })
    return slots
  }

  #logLine({ level, message }: LogLine): void {
    this.#options.log[level]({ function: this.name }, message)
  }
}

function failed(id: number, fault: Fault, durationMs: number): WorkResult {
  return { id, status: 'failed', fault, logs: [], durationMs }
}
