/**
 * What a result means for its event: an outcome, another attempt, or one more run that is no attempt.
 * Results become replies or dead letters, and an event ends only when those are durable.
 */
import type { AppendRecord, AppendResult } from '../contract/broker.ts'
import type { DeadLetter } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import { subscriberName } from '../contract/subscriber.ts'
import type { ProcessedStatus, TriggerMetrics } from '../contract/metrics.ts'
import type { Fault } from '../contract/outcome.ts'
import type { WorkReply, WorkResult } from '../contract/work.ts'
import { isMillraceError, type ErrorCode } from '../errors.ts'
import type { DeliveryHistory } from './history.ts'
import type { Lane, Task } from './lane.ts'
import { Outbox, type Completion, type Settled } from './outbox.ts'
import { decide } from './policy.ts'
import type { Turns } from './turns.ts'

export interface VerdictOptions {
  trigger: TriggerManifest
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  /**
   * Completes and encodes a reply; undefined for one that goes nowhere. Throws a `MillraceError` for one
   * that cannot be published.
   */
  toReply(reply: WorkReply, index: number, cause: Event): AppendRecord | undefined
  toDeadLetter(letter: DeadLetter): AppendRecord
  metrics: TriggerMetrics
  /** What it remembers of the last events, for people who ask. */
  history: Pick<DeliveryHistory, 'recordAttempt' | 'recordFailure' | 'recordEnd'>
  log: Logger
  /** Takes a result out of the function's hands: its event, unless it is another trigger's. */
  back: (result: WorkResult) => Task | undefined
  turns: Turns
  /** Output has become durable or was refused. */
  published: () => void
}

/** The guide's `status` label of each outcome that the delivery gives. */
const STATUS = {
  acked: 'success',
  deadlettered: 'error',
  dropped: 'dropped',
} as const satisfies Record<string, ProcessedStatus>

/** Names that people see for a reply that cannot be published. */
const REPLY_FAULTS: Partial<Record<ErrorCode, string>> = {
  FN_HANDLER_REPLY_TOO_LARGE: 'ReplyTooLarge',
  FN_DELIVERY_HOP_LIMIT: 'HopLimit',
}

export class Verdict {
  readonly #options: VerdictOptions
  readonly #name: string
  readonly #outbox: Outbox

  constructor(options: VerdictOptions) {
    this.#options = options
    this.#name = triggerName(options.trigger)
    this.#outbox = new Outbox({
      append: options.append,
      settled: (settled) => this.#settled(settled),
      waitsBeyond: (task, waits) => options.turns.waitsBeyond(task, waits),
      log: options.log,
    })
  }

  /** Events whose output is on its way to the log. */
  get publishing(): number {
    return this.#outbox.size
  }

  /** Judges those results of a frame that are this trigger's; their output is published together. */
  judge(results: readonly WorkResult[]): void {
    const completions: Completion[] = []
    for (const result of results) {
      const task = this.#options.back(result)
      if (task !== undefined) this.#sort(task, result, completions)
    }
    this.#outbox.publish(completions)
  }

  #sort(task: Task, result: WorkResult, completions: Completion[]): void {
    const { lane } = task
    if (task.channel.closed) return this.#options.turns.over(task)
    if (lane.publishing > 0 && lane.frame !== completions) {
      lane.held.push([task, result])
      return
    }
    // An earlier event of the lane runs again, or parks those behind it: this one's result came too early.
    if (result.status === 'again' || isBehindAnother(task) || lane.deadLettering > 0) {
      task.alone = result.status === 'again' && result.suspect
      return this.#options.turns.runAgain(task)
    }
    task.alone = false
    task.spentMs += result.durationMs
    this.#options.metrics.attempt(result.status)
    this.#options.history.recordAttempt(task, result)
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
    let records: AppendRecord[]
    try {
      records = this.#recordsOf(replies, task.event)
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
    // What stands behind one that is being published ends after it.
    if (records.length === 0 && task.lane.publishing === 0) return this.#end(task, 'acked')
    this.#complete({ task, outcome: 'acked', records }, completions)
  }

  #recordsOf(replies: readonly WorkReply[], cause: Event): AppendRecord[] {
    const records: AppendRecord[] = []
    for (const [index, reply] of replies.entries()) {
      const record = this.#options.toReply(reply, index, cause)
      if (record !== undefined) records.push(record)
    }
    return records
  }

  #failed(task: Task, fault: Fault, completions: Completion[]): void {
    if (task.firstFailedAt === 0) task.firstFailedAt = Date.now()
    const { trigger } = this.#options
    const failure = { attempt: task.attempt, ageMs: ageMs(task) }
    const decision = decide(fault, failure, trigger.delivery, Math.random)
    const retryInMs = decision.kind === 'retry' ? decision.waitMs : undefined
    this.#options.history.recordFailure(task, fault, retryInMs)
    const about = {
      ...this.#about(task),
      attempt: task.attempt,
      error: `${fault.class}: ${fault.message}`,
    }
    if (decision.kind === 'retry') {
      this.#options.log.warn({ ...about, retryInMs: Math.round(decision.waitMs) }, 'attempt failed')
      this.#options.metrics.retry()
      task.attempt++
      task.alone = decision.alone
      task.lane.notBefore = Date.now() + decision.waitMs
      return this.#options.turns.runAgain(task)
    }
    this.#options.log.error(
      { ...about, code: fault.code, stack: fault.stack, because: decision.because },
      'event dead-lettered',
    )
    this.#deadLetter(task, because(fault, decision.because), task.attempt, completions)
  }

  /** New events of a key that has dead letters go after them, untried. */
  park(tasks: readonly Task[]): void {
    const completions: Completion[] = []
    for (const task of tasks) {
      task.parked = true
      this.#deadLetter(task, PARKED, 0, completions)
    }
    this.#outbox.publish(completions)
  }

  /** Events that are too late: they end untried. */
  discard(tasks: readonly Task[]): void {
    const completions: Completion[] = []
    for (const task of tasks) {
      const reason = `expired at ${String(task.event.attributes['expirytime'])}`
      const result = { id: task.id, status: 'dropped', reason, logs: [], durationMs: 0 } as const
      this.#sort(task, { ...result, logs: [] }, completions)
    }
    this.#outbox.publish(completions)
  }

  #deadLetter(task: Task, fault: Fault, attempts: number, completions: Completion[]): void {
    if (task.firstFailedAt === 0) task.firstFailedAt = Date.now()
    const { trigger } = this.#options
    const record = this.#options.toDeadLetter({
      trigger,
      topic: task.channel.topic,
      partition: task.channel.partition,
      record: task.record,
      event: task.event,
      fault,
      attempts,
      firstFailedAt: task.firstFailedAt,
    })
    if (task.channel.parking !== undefined && !task.parked) task.lane.deadLettering++
    this.#complete({ task, outcome: 'deadlettered', records: [record] }, completions)
  }

  #complete(completion: Completion, completions: Completion[]): void {
    completion.task.lane.publishing++
    completion.task.lane.frame = completions
    completions.push(completion)
  }

  #settled(settled: readonly Settled[]): void {
    const next: Completion[] = []
    for (const { completion, refused, places } of settled) {
      const { task } = completion
      task.lane.publishing--
      if (completion.outcome === 'deadlettered') this.#keep(task, places[0])
      if (task.channel.closed) this.#options.turns.over(task)
      else if (mustRunAgain(completion)) this.#options.turns.runAgain(task)
      else if (refused === undefined) this.#end(task, completion.outcome)
      else this.#failed(task, publishFault(refused), next)
    }
    for (const { completion } of settled) this.#releaseHeld(completion.task.lane, next)
    this.#outbox.publish(next)
    this.#options.published()
  }

  /** A dead letter that keeps the later events of its key back. */
  #keep(task: Task, place: AppendResult | undefined): void {
    const { lane, channel } = task
    if (channel.parking === undefined) return
    if (!task.parked) lane.deadLettering--
    if (lane.key === undefined) return
    if (!place?.ok || channel.closed) return
    const { topic, partition, offset } = place
    const state = task.parked ? 'parked' : 'failed'
    channel.parking.keep(lane.key, `${topic}/${partition}/${offset}`, state)
  }

  #releaseHeld(lane: Lane, completions: Completion[]): void {
    if (lane.publishing > 0 && lane.frame !== completions) return
    const held = lane.held
    lane.held = []
    for (const [task, result] of held) this.#sort(task, result, completions)
  }

  #end(task: Task, outcome: keyof typeof STATUS): void {
    const { type } = task.event.attributes
    this.#options.metrics.processed(type, STATUS[outcome], task.spentMs / 1000)
    const { channel, lane, replayOf } = task
    if (replayOf !== undefined && lane.key !== undefined) channel.parking?.over(lane.key, replayOf)
    this.#options.history.recordEnd(task, outcome)
    channel.onSettled(task.record, outcome)
    this.#options.turns.over(task)
  }

  #logLines(task: Task, result: Exclude<WorkResult, { status: 'again' }>): void {
    for (const line of result.logs) {
      this.#options.log[line.level](this.#about(task), line.message)
    }
  }

  #about(task: Task): Record<string, unknown> {
    return {
      function: subscriberName(this.#options.trigger.subscriber),
      trigger: this.#name,
      id: task.event.attributes.id,
    }
  }
}

/** An earlier event of the lane runs again, so this one's replies came too early. */
function mustRunAgain({ task, outcome }: Completion): boolean {
  return outcome !== 'deadlettered' && isBehindAnother(task)
}

function isBehindAnother({ id, lane }: Task): boolean {
  return lane.again.some((earlier) => earlier.id < id)
}

/** Since the event came into the log; since it first failed, where the log does not know. */
function ageMs({ record, firstFailedAt }: Task): number {
  return Date.now() - (record.timestamp < 0 ? firstFailedAt : record.timestamp)
}

/** In front, because a long message is cut at its end. */
function because(fault: Fault, reason: string | undefined): Fault {
  return reason === undefined ? fault : { ...fault, message: `${reason}: ${fault.message}` }
}

const PARKED: Fault = {
  code: 'FN_DELIVERY_PARKED',
  class: 'Parked',
  message:
    'an earlier event of the same key is a dead letter; once that one is settled, this one is handled',
}

function publishFault(refused: Error): Fault {
  return {
    code: 'FN_DELIVERY_PUBLISH_FAILED',
    class: 'PublishFailed',
    message: `the reply could not be made durable: ${refused.message}`,
  }
}
