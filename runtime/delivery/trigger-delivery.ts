/**
 * Brings the events of one trigger to its function and each of them to exactly one outcome.
 *
 * Ready lanes form micro-batches of what is there; a batch never waits to be filled. Results become
 * replies or dead letters, and an event ends only when those are durable.
 */
import type { AppendRecord, AppendResult, LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, DeadLetter, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import type { ProcessedStatus, TriggerMetrics } from '../contract/metrics.ts'
import type { Fault } from '../contract/outcome.ts'
import type { FunctionRunner, WorkItem, WorkReply, WorkResult } from '../contract/work.ts'
import { isMillraceError, type ErrorCode } from '../errors.ts'
import { Lane, laneKey, ownCopy, type Channel, type Task } from './lane.ts'
import { Outbox, type Completion, type Settled } from './outbox.ts'
import { decide } from './policy.ts'
import { after } from './timer.ts'

export interface TriggerDeliveryOptions {
  trigger: TriggerManifest
  runner: FunctionRunner
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  /** Completes and encodes a reply; throws a `MillraceError` for one that cannot be published. */
  toReply(reply: WorkReply, index: number, cause: Event): AppendRecord
  toDeadLetter(letter: DeadLetter): AppendRecord
  metrics: TriggerMetrics
  log: Logger
  /** Ids must be unique among all deliveries of one runner. */
  nextId(): number
}

const MAX_BATCH_ITEMS = 500
const MAX_BATCH_BYTES = 1024 * 1024
const MAX_IN_FLIGHT_ITEMS = 1024
const MAX_IN_FLIGHT_BYTES = 4 * 1024 * 1024
/** A key's backlog must not fill a whole batch while other keys wait. */
const MAX_KEY_RUN = 64

/** The guide's `status` label of each outcome that the delivery gives. */
const STATUS = {
  acked: 'success',
  deadlettered: 'error',
  dropped: 'dropped',
} as const satisfies Record<string, ProcessedStatus>

/** Names that people see for a reply that cannot be published. */
const REPLY_FAULTS: Partial<Record<ErrorCode, string>> = {
  FN_HANDLER_REPLY_TOO_LARGE: 'ReplyTooLarge',
}

export class TriggerDelivery {
  readonly #options: TriggerDeliveryOptions
  readonly #name: string
  readonly #outbox: Outbox
  readonly #running = new Map<number, Task>()
  #ready: Lane[] = []
  #inFlightBytes = 0
  #scheduled = false
  #paused = false
  #idleWaiters: Array<() => void> = []
  #laneIds = 0

  constructor(options: TriggerDeliveryOptions) {
    this.#options = options
    this.#name = triggerName(options.trigger)
    this.#outbox = new Outbox({
      append: options.append,
      settled: (settled) => this.#settled(settled),
      log: options.log,
    })
  }

  open(options: ChannelOptions): DeliveryChannel {
    const channel: Channel = {
      ...options,
      closed: false,
      waiting: 0,
      lanes: new Map(),
      waits: new Set(),
    }
    return {
      get waiting() {
        return channel.waiting
      },
      deliver: (record, event) => this.#deliver(channel, record, event),
      close: () => {
        channel.closed = true
        channel.lanes.clear()
        for (const cancel of channel.waits) cancel()
      },
    }
  }

  /** Starts nothing new. What runs goes on; `idle()` says when it has ended. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  /** Resolves once nothing runs and nothing is being published. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Takes those results that are this trigger's. */
  take(results: readonly WorkResult[]): void {
    const completions: Completion[] = []
    for (const result of results) {
      const task = this.#running.get(result.id)
      if (task === undefined) continue
      this.#running.delete(result.id)
      this.#inFlightBytes -= task.bytes
      this.#sort(task, result, completions)
    }
    this.#outbox.publish(completions)
    this.#schedule()
    this.#tellIdle()
  }

  #deliver(channel: Channel, record: LogRecord, event: Event): void {
    const key = laneKey(channel, record)
    let lane = key === undefined ? undefined : channel.lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(++this.#laneIds, key)
      if (key !== undefined) channel.lanes.set(key, lane)
    }
    const task: Task = {
      id: this.#options.nextId(),
      channel,
      lane,
      record,
      event,
      bytes: (record.value?.length ?? 0) + 256,
      attempt: 1,
      started: false,
      alone: false,
      firstFailedAt: 0,
      copied: false,
      spentMs: 0,
    }
    lane.queue.push(task)
    if (lane.running > 0) return
    if (lane.notBefore > 0) {
      ownCopy(task)
      channel.waiting++
    } else if (lane.queue.length === 1) {
      this.#makeReady(lane)
    }
  }

  #makeReady(lane: Lane): void {
    this.#ready.push(lane)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused || this.#ready.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    if (this.#paused) return
    const maxRun = this.#maxRun()
    let next = 0
    while (next < this.#ready.length && this.#hasRoom()) {
      const items: WorkItem[] = []
      let bytes = 0
      while (
        next < this.#ready.length &&
        items.length < MAX_BATCH_ITEMS &&
        bytes < MAX_BATCH_BYTES
      ) {
        const lane = this.#ready[next++] as Lane
        if (lane.queue[0]?.channel.closed) continue
        for (const task of lane.nextRun(Math.min(maxRun, MAX_BATCH_ITEMS - items.length))) {
          items.push(this.#start(task))
          bytes += task.bytes
        }
      }
      this.#inFlightBytes += bytes
      if (items.length > 0) this.#options.runner.submit(items)
    }
    this.#ready = this.#ready.slice(next)
  }

  /** With much behind every key, a few of them must not take all the room: each ready one gets its share. */
  #maxRun(): number {
    if (this.#options.trigger.ordering === 'partition') return MAX_BATCH_ITEMS
    const room = MAX_IN_FLIGHT_ITEMS - this.#running.size
    return Math.max(1, Math.min(MAX_KEY_RUN, Math.ceil(room / this.#ready.length)))
  }

  #hasRoom(): boolean {
    return this.#running.size < MAX_IN_FLIGHT_ITEMS && this.#inFlightBytes < MAX_IN_FLIGHT_BYTES
  }

  #start(task: Task): WorkItem {
    if (!task.started) {
      task.started = true
      const { type, source } = task.event.attributes
      this.#options.metrics.received(type, source)
    }
    this.#running.set(task.id, task)
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
    return item
  }

  #sort(task: Task, result: WorkResult, completions: Completion[]): void {
    const { lane } = task
    if (task.channel.closed) return this.#resolved(task)
    if (lane.publishing > 0 && lane.frame !== completions) {
      lane.held.push([task, result])
      return
    }
    // An earlier event of the lane runs again, so this one's result came too early.
    if (result.status === 'again' || lane.again.length > 0) {
      task.alone = result.status === 'again' && result.suspect
      return this.#runAgain(task)
    }
    task.alone = false
    task.spentMs += result.durationMs
    this.#options.metrics.attempt(result.status)
    this.#logLines(task, result)
    switch (result.status) {
      case 'dropped':
        this.#options.log.info({ ...this.#about(task), reason: result.reason }, 'event dropped')
        if (task.lane.publishing === 0) return this.#end(task, 'dropped')
        return this.#complete({ task, outcome: 'dropped', records: [] }, completions)
      case 'failed':
        return this.#failed(task, result.fault, completions)
      case 'done':
        return this.#done(task, result.replies, completions)
    }
  }

  #done(task: Task, replies: readonly WorkReply[], completions: Completion[]): void {
    // What stands behind one that is being published ends after it.
    if (replies.length === 0 && task.lane.publishing === 0) return this.#end(task, 'acked')
    let records: AppendRecord[]
    try {
      records = replies.map((reply, index) => this.#options.toReply(reply, index, task.event))
    } catch (error) {
      if (!isMillraceError(error)) throw error
      return this.#failed(
        task,
        {
          code: error.code,
          class: REPLY_FAULTS[error.code] ?? 'InvalidReply',
          message: error.message,
        },
        completions,
      )
    }
    this.#complete({ task, outcome: 'acked', records }, completions)
  }

  #failed(task: Task, fault: Fault, completions: Completion[]): void {
    if (task.firstFailedAt === 0) task.firstFailedAt = Date.now()
    const { trigger } = this.#options
    const decision = decide(fault, task.attempt, trigger.delivery)
    const about = {
      ...this.#about(task),
      attempt: task.attempt,
      error: `${fault.class}: ${fault.message}`,
    }
    if (decision.kind === 'retry') {
      this.#options.log.warn({ ...about, retryInMs: decision.waitMs }, 'attempt failed')
      this.#options.metrics.retry()
      task.attempt++
      task.alone = decision.alone
      task.lane.notBefore = Date.now() + decision.waitMs
      return this.#runAgain(task)
    }
    this.#options.log.error(
      { ...about, code: fault.code, stack: fault.stack },
      'event dead-lettered',
    )
    const record = this.#options.toDeadLetter({
      trigger,
      topic: task.channel.topic,
      partition: task.channel.partition,
      record: task.record,
      event: task.event,
      fault,
      attempts: task.attempt,
      firstFailedAt: task.firstFailedAt,
    })
    this.#complete({ task, outcome: 'deadlettered', records: [record] }, completions)
  }

  #complete(completion: Completion, completions: Completion[]): void {
    completion.task.lane.publishing++
    completion.task.lane.frame = completions
    completions.push(completion)
  }

  #settled(settled: readonly Settled[]): void {
    const next: Completion[] = []
    for (const { completion, refused } of settled) {
      const { task } = completion
      task.lane.publishing--
      if (task.channel.closed) this.#resolved(task)
      else if (mustRunAgain(completion)) this.#runAgain(task)
      else if (refused === undefined) this.#end(task, completion.outcome)
      else this.#failed(task, publishFault(refused), next)
    }
    for (const { completion } of settled) this.#releaseHeld(completion.task.lane, next)
    this.#outbox.publish(next)
    this.#schedule()
    this.#tellIdle()
  }

  #releaseHeld(lane: Lane, completions: Completion[]): void {
    if (lane.publishing > 0 && lane.frame !== completions) return
    const held = lane.held
    lane.held = []
    for (const [task, result] of held) this.#sort(task, result, completions)
  }

  #runAgain(task: Task): void {
    task.lane.again.push(task)
    this.#resolved(task)
  }

  #end(task: Task, outcome: keyof typeof STATUS): void {
    const { type } = task.event.attributes
    this.#options.metrics.processed(type, STATUS[outcome], task.spentMs / 1000)
    task.channel.onSettled(task.record, outcome)
    this.#resolved(task)
  }

  #resolved(task: Task): void {
    const { lane, channel } = task
    lane.running--
    if (lane.running > 0) return
    if (channel.closed) return
    lane.endRun()
    if (lane.queue.length === 0) {
      if (lane.key !== undefined) channel.lanes.delete(lane.key)
      return
    }
    const waitMs = lane.notBefore - Date.now()
    if (waitMs > 0) return this.#wait(lane, channel, waitMs)
    lane.notBefore = 0
    this.#makeReady(lane)
  }

  #wait(lane: Lane, channel: Channel, waitMs: number): void {
    for (const task of lane.queue) ownCopy(task)
    channel.waiting += lane.queue.length
    const cancel = after(waitMs, () => {
      channel.waits.delete(cancel)
      channel.waiting -= lane.queue.length
      lane.notBefore = 0
      this.#makeReady(lane)
    })
    channel.waits.add(cancel)
    channel.onWaiting()
  }

  #logLines(task: Task, result: Exclude<WorkResult, { status: 'again' }>): void {
    for (const line of result.logs) {
      this.#options.log[line.level](this.#about(task), line.message)
    }
  }

  #about(task: Task): Record<string, unknown> {
    return {
      function: this.#options.trigger.function,
      trigger: this.#name,
      id: task.event.attributes.id,
    }
  }

  #isIdle(): boolean {
    return this.#running.size === 0 && this.#outbox.size === 0
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0 || !this.#isIdle()) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const resolve of waiters) resolve()
  }
}

/** An earlier event of the lane runs again, so this one's replies came too early. */
function mustRunAgain({ task, outcome }: Completion): boolean {
  const { offset } = task.record
  return outcome !== 'deadlettered' && task.lane.again.some(({ record }) => record.offset < offset)
}

function publishFault(refused: Error): Fault {
  return {
    code: 'FN_DELIVERY_PUBLISH_FAILED',
    class: 'PublishFailed',
    message: `the reply could not be made durable: ${refused.message}`,
  }
}
