/** One event on its way through the isolate, and the queues in which it waits. */
import { NativeMap, mapDelete, mapGet, mapSet } from './kernel-intrinsics.isolate.ts'
import type { AbortController } from './web-abort.isolate.ts'

export class Run {
  readonly slot: number
  readonly lane: Lane
  readonly attempt: number
  readonly timeoutMs: number
  readonly attributes: Record<string, unknown>
  /** `DATA` of the text; `none` once it was read. */
  data: number
  /** The data text, unparsed. */
  text: string
  /** What it was read as. */
  value: unknown = undefined
  /** Behind it in its lane. */
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
  /** One of its events has started and has no result. */
  busy = false
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
  nextTrigger: Trigger | null = null

  constructor(name: string) {
    this.name = name
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
    if (wasEmpty && !lane.busy) this.#ready(lane)
  }

  /** The next event that may start, or null. Its lane is busy from now on. */
  take(): Run | null {
    const lane = this.#first
    if (lane === null || this.suspended >= this.concurrency) return null
    this.#first = lane.nextReady
    if (this.#first === null) this.#last = null
    lane.nextReady = null
    lane.busy = true
    return lane.take()
  }

  /** The event under way in the lane has its result. */
  release(lane: Lane): void {
    lane.busy = false
    if (lane.head !== null) this.#ready(lane)
    else mapDelete(this.lanes, lane.id)
  }

  #ready(lane: Lane): void {
    if (this.#last === null) this.#first = lane
    else this.#last.nextReady = lane
    this.#last = lane
  }
}

/** Takes events from the triggers in turn, so that none starves behind another's backlog. */
export class Triggers {
  readonly #byName: Map<unknown, Trigger> = new NativeMap()
  #turn: Trigger | null = null

  get(name: string): Trigger {
    const known = mapGet(this.#byName, name)
    if (known !== undefined) return known
    const trigger = new Trigger(name)
    mapSet(this.#byName, name, trigger)
    // A ring; `#turn` is the one asked first.
    if (this.#turn === null) {
      trigger.nextTrigger = trigger
      this.#turn = trigger
    } else {
      trigger.nextTrigger = this.#turn.nextTrigger
      this.#turn.nextTrigger = trigger
    }
    return trigger
  }

  take(): Run | null {
    const start = this.#turn
    if (start === null) return null
    let trigger = start
    for (;;) {
      const run = trigger.take()
      trigger = trigger.nextTrigger as Trigger
      if (run !== null) {
        this.#turn = trigger
        return run
      }
      if (trigger === start) return null
    }
  }
}
