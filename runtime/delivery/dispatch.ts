/**
 * Hands ready lanes to the function: micro-batches of what is there, never waiting to be filled, and
 * never more at once than the isolates can hold.
 */
import { isExpired } from '../codec/extensions.ts'
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import type { TriggerMetrics } from '../contract/metrics.ts'
import type { SubscriberRunner, WorkItem, WorkResult } from '../contract/work.ts'
import type { Breaker } from './breaker.ts'
import type { Lane, Task } from './lane.ts'

export interface DispatchOptions {
  trigger: TriggerManifest
  runner: Pick<SubscriberRunner, 'submit'>
  metrics: Pick<TriggerMetrics, 'received'>
  breaker: Breaker | undefined
  /** Events whose `expirytime` is past: they do not go to the function. */
  expired(tasks: readonly Task[]): void
}

const MAX_BATCH_ITEMS = 500
const MAX_BATCH_BYTES = 1024 * 1024
const MAX_IN_FLIGHT_ITEMS = 1024
const MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024
/** A key's backlog must not fill a whole batch while other keys wait. */
const MAX_KEY_RUN = 64

export class Dispatch {
  readonly #options: DispatchOptions
  readonly #name: string
  /** Handed to the function and not yet back. */
  readonly #running = new Map<number, Task>()
  #runningBytes = 0
  #ready: Lane[] = []
  #scheduled = false
  #paused = false
  #held = false

  constructor(options: DispatchOptions) {
    this.#options = options
    this.#name = triggerName(options.trigger)
  }

  /** Events in the function's hands. */
  get size(): number {
    return this.#running.size
  }

  /** The lane has a run for the function, and none there already. */
  ready(lane: Lane): void {
    this.#ready.push(lane)
    this.schedule()
  }

  /** The event whose result this is; undefined for a result of another trigger. */
  back(result: WorkResult): Task | undefined {
    const task = this.#running.get(result.id)
    if (task === undefined) return undefined
    this.#running.delete(result.id)
    this.#runningBytes -= task.bytes
    this.#options.breaker?.back(result)
    return task
  }

  /** Room, or something else that held the ready lanes, has changed. */
  schedule(): void {
    if (this.#scheduled || this.#isStill || this.#ready.length === 0) return
    if (this.#allowance() === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.schedule()
  }

  /** As long as a person wants it; apart from `pause`, which a rebalance ends. */
  hold(held: boolean): void {
    this.#held = held
    this.schedule()
  }

  get #isStill(): boolean {
    return this.#paused || this.#held
  }

  #dispatch(): void {
    if (this.#isStill) return
    const maxRun = this.#maxRun()
    const expired: Task[] = []
    let next = 0
    while (next < this.#ready.length && this.#hasRoom()) {
      const max = this.#allowance()
      if (max === 0) break
      const items: WorkItem[] = []
      let bytes = 0
      while (next < this.#ready.length && items.length < max && bytes < MAX_BATCH_BYTES) {
        const lane = this.#ready[next++] as Lane
        if (lane.queue[0]?.channel.closed) continue
        for (const task of lane.nextRun(Math.min(maxRun, max - items.length))) {
          if (isTooLate(task)) {
            expired.push(task)
            continue
          }
          items.push(this.#start(task))
          bytes += task.bytes
        }
      }
      this.#runningBytes += bytes
      if (items.length > 0) this.#options.runner.submit(items)
    }
    this.#ready = this.#ready.slice(next)
    if (expired.length > 0) this.#options.expired(expired)
  }

  /** With much behind every key, a few of them must not take all the room: each has its share. */
  #maxRun(): number {
    if (this.#options.trigger.ordering === 'partition') return MAX_BATCH_ITEMS
    const room = MAX_IN_FLIGHT_ITEMS - this.#running.size
    return Math.max(1, Math.min(MAX_KEY_RUN, Math.ceil(room / this.#ready.length)))
  }

  #hasRoom(): boolean {
    return this.#running.size < MAX_IN_FLIGHT_ITEMS && this.#runningBytes < MAX_IN_FLIGHT_BYTES
  }

  /** How many events the next batch may have. */
  #allowance(): number {
    const { breaker } = this.#options
    return breaker === undefined ? MAX_BATCH_ITEMS : Math.min(MAX_BATCH_ITEMS, breaker.allowance)
  }

  #start(task: Task): WorkItem {
    if (!task.started) {
      task.started = true
      const { type, source } = task.event.attributes
      this.#options.metrics.received(type, source)
    }
    this.#running.set(task.id, task)
    this.#options.breaker?.started(task.id)
    const { trigger } = this.#options
    const item: WorkItem = {
      id: task.id,
      event: task.event,
      lane: task.lane.id,
      concurrency: trigger.concurrency,
      trigger: this.#name,
      attempt: task.attempt,
      timeoutMs: trigger.delivery.timeoutMs,
    }
    if (task.alone) item.alone = true
    const { offLog, partition } = task.channel
    if (offLog !== true) item.at = { partition, offset: task.record.offset }
    return item
  }
}

/** CloudEvents' expirytime extension. What a person replays is handled all the same. */
function isTooLate({ event, replayOf }: Task): boolean {
  return replayOf === undefined && isExpired(event.attributes, Date.now())
}
