/** One event on its way through the isolate, and the queues in which it waits. */
import { NativeMap, mapDelete, mapGet, mapSet } from './kernel-intrinsics.isolate.ts'
import type { AbortController } from './web-abort.isolate.ts'

export class Run {
  readonly slot: number
  readonly lane: Lane
  readonly attempt: number
  /** Of the first of a batch: the shortest in it. */
  timeoutMs: number
  readonly attributes: Record<string, unknown>
  /** `DATA` of the text; `none` once it was read. */
  data: number
  /** The data text, unparsed. */
  text: string
  /** What it was read as. */
  value: unknown = undefined
  /** Behind it in its lane; once it was taken from there, behind it in its batch. */
  next: Run | null = null
  /** Neighbours in the list of deadlines, while suspended. */
  before: Run | null = null
  after: Run | null = null
  due = 0
  startedAt = 0
  suspended = false
  /** It has its result; whatever its handler still does changes nothing. */
  settled = false
  /** Given up at its deadline with its handler still going. */
  zombie = false
  controller: AbortController | null = null
  /** `[level,"text"],…` */
  logs = ''
  logUnits = 0
  logFull = false

  constructor(
    slot: number,
    lane: Lane,
    attempt: number,
    timeoutMs: number,
    attributes: Record<string, unknown>,
    data: number,
    text: string,
  ) {
    this.slot = slot
    this.lane = lane
    this.attempt = attempt
    this.timeoutMs = timeoutMs
    this.attributes = attributes
    this.data = data
    this.text = text
  }
}

/** Events that run one after another. */
export class Lane {
  readonly id: number
  readonly trigger: Trigger
  head: Run | null = null
  tail: Run | null = null
  /** How many of its events have started and have no result. */
  busy = 0
  /** One of these failed: the others must not count before it has run again. */
  failed = false
  nextReady: Lane | null = null

  constructor(id: number, trigger: Trigger) {
    this.id = id
    this.trigger = trigger
  }

  add(run: Run): void {
    if (this.tail === null) this.head = run
    else this.tail.next = run
    this.tail = run
  }

  take(): Run | null {
    const run = this.head
    if (run === null) return null
    this.head = run.next
    if (this.head === null) this.tail = null
    run.next = null
    return run
  }
}

/** The lanes of one trigger, and how many of its handlers may be suspended at once. */
export class Trigger {
  readonly name: string
  concurrency = 1
  suspended = 0
  readonly lanes: Map<unknown, Lane> = new NativeMap()
  #first: Lane | null = null
  #last: Lane | null = null
  readonly #triggers: Triggers
  /** In the queue of those that may have something to start, and who stands behind it there. */
  queued = false
  nextTrigger: Trigger | null = null

  constructor(name: string, triggers: Triggers) {
    this.name = name
    this.#triggers = triggers
  }

  lane(id: number): Lane {
    const known = mapGet(this.lanes, id)
    if (known !== undefined) return known
    const lane = new Lane(id, this)
    mapSet(this.lanes, id, lane)
    return lane
  }

  /** Queues an event; its lane is ready unless one of its events is under way. */
  add(run: Run): void {
    const { lane } = run
    const wasEmpty = lane.head === null
    lane.add(run)
    if (wasEmpty && lane.busy === 0) this.#ready(lane)
  }

  /** The next event that may start, or null. Its lane is busy from now on. */
  take(): Run | null {
    const lane = this.#first
    if (lane === null || this.suspended >= this.concurrency) return null
    this.#unready(lane)
    lane.busy = 1
    return lane.take()
  }

  /**
   * Links behind `first` what may run with it: the rest of its lane and of the lanes that are ready, in
   * order, `max` in all. Those that are tried again keep to themselves: one of them may be why a batch
   * failed before. Answers how many they are, `first` included.
   */
  takeMore(first: Run, max: number): number {
    let count = 1
    let last = first
    let lane = first.lane
    while (count < max) {
      const { head } = lane
      if (head === null || head.attempt > 1 !== first.attempt > 1) {
        const next = this.#first
        if (next === null || next === lane) break
        lane = next
        continue
      }
      if (lane.busy === 0) this.#unready(lane)
      lane.busy++
      last.next = lane.take()
      last = head
      count++
    }
    return count
  }

  /** An event under way in the lane has its result. */
  release(lane: Lane): void {
    lane.busy--
    if (lane.busy === 0) {
      lane.failed = false
      if (lane.head !== null) this.#ready(lane)
      else mapDelete(this.lanes, lane.id)
    }
    // It may have been as many as may be suspended at once, and is one less now.
    if (this.#first !== null) this.#triggers.queue(this)
  }

  /** `lane` is the first. */
  #unready(lane: Lane): void {
    this.#first = lane.nextReady
    if (this.#first === null) this.#last = null
    lane.nextReady = null
  }

  #ready(lane: Lane): void {
    if (this.#last === null) this.#first = lane
    else this.#last.nextReady = lane
    this.#last = lane
    this.#triggers.queue(this)
  }
}

/** Takes events from the triggers in turn, so that none starves behind another's backlog. */
export class Triggers {
  readonly #byName: Map<unknown, Trigger> = new NativeMap()
  #first: Trigger | null = null
  #last: Trigger | null = null

  get(name: string): Trigger {
    const known = mapGet(this.#byName, name)
    if (known !== undefined) return known
    const trigger = new Trigger(name, this)
    mapSet(this.#byName, name, trigger)
    return trigger
  }

  /** It may have an event to start: a thousand that have none are not asked. */
  queue(trigger: Trigger): void {
    if (trigger.queued) return
    trigger.queued = true
    if (this.#last === null) this.#first = trigger
    else this.#last.nextTrigger = trigger
    this.#last = trigger
  }

  take(): Run | null {
    for (let trigger = this.#unqueue(); trigger !== null; trigger = this.#unqueue()) {
      const run = trigger.take()
      if (run === null) continue
      this.queue(trigger)
      return run
    }
    return null
  }

  #unqueue(): Trigger | null {
    const trigger = this.#first
    if (trigger === null) return null
    this.#first = trigger.nextTrigger
    if (this.#first === null) this.#last = null
    trigger.nextTrigger = null
    trigger.queued = false
    return trigger
  }
}
