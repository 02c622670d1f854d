/**
 * One process's share of the deployment's partitions: joins the group that decides who owns what, opens
 * each partition at the places its triggers had reached, and commits their progress.
 */
import {
  partitionKey,
  type Assignment,
  type Broker,
  type LogRecord,
  type Membership,
  type TopicPartition,
} from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import { within } from '../within.ts'
import { commitProgress } from './commits.ts'
import { Cursor, type Ledger } from './cursor.ts'
import { Partition } from './partition.ts'
import { startingPoints, type StartingPoint, type StartingPoints } from './starting-points.ts'

export interface ConsumerOptions {
  broker: Broker
  /** The deployment's group; see `membershipGroup`. */
  group: string
  triggers: readonly TriggerManifest[]
  decode: (record: LogRecord) => Event
  /** Which of a topic's triggers an event is for. */
  match(topic: string, event: Event): readonly TriggerManifest[]
  openChannel(options: ChannelOptions): DeliveryChannel
  quarantine(topic: string, partition: number, record: LogRecord, reason: Error): Promise<void>
  ledger(trigger: TriggerManifest): Ledger
  /** Lets nothing new start and resolves when nothing runs; for rebalances and the end. */
  settleDown(): Promise<void>
  /** Ends what `settleDown` began. */
  goOn(): void
  /** What all cursors together may hold, in bytes. */
  maxBufferBytes: number
  commitIntervalMs: number
  log: Logger
}

const MIN_CURSOR_BYTES = 64 * 1024
const MAX_CURSOR_BYTES = 8 * 1024 * 1024
const REJOIN_PAUSE_MS = 1_000
/** What is not committed runs again after a crash, so this is a bound of that. */
const MAX_COMMIT_REST_MS = 5_000
/** The last commit gets this long even when the work before it took all the time. */
const LAST_COMMIT_MS = 3_000
/** How often a group that refused is asked again. */
const ASK_AGAIN_MS = 5_000

export class Consumer {
  readonly #options: ConsumerOptions
  readonly #partitions = new Map<string, { epoch: number; partition: Partition }>()
  #membership: Membership | undefined
  #timer: NodeJS.Timeout | undefined
  #committing: Promise<void> = Promise.resolve()
  /** Assignments are worked off one after another: opening takes requests to the broker. */
  #opening: Promise<void> = Promise.resolve()
  #assigned = false
  #askedAt = 0
  #stopped = false
  #trouble: string | undefined

  constructor(options: ConsumerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    if (this.#options.triggers.length === 0) {
      this.#assigned = true
      return
    }
    await this.#join()
    this.#scheduleCommit()
  }

  /** Why this process does not consume all that it should; empty when it does. */
  troubles(): string[] {
    const troubles = new Set<string>()
    if (!this.#assigned) troubles.add('waiting for partitions to be assigned')
    if (this.#trouble !== undefined) troubles.add(this.#trouble)
    for (const cursor of this.#cursors()) {
      if (cursor.trouble !== undefined) troubles.add(cursor.trouble)
      if (cursor.commitTrouble !== undefined) troubles.add(cursor.commitTrouble)
    }
    for (const { partition } of this.#partitions.values()) {
      if (partition.trouble !== undefined) troubles.add(partition.trouble)
    }
    return [...troubles]
  }

  states(): CursorState[] {
    const states: CursorState[] = []
    for (const { partition } of this.#partitions.values()) {
      for (const cursor of partition.cursors) {
        const state: CursorState = {
          trigger: triggerName(cursor.trigger),
          group: cursor.trigger.group,
          topic: cursor.topic,
          partition: cursor.partition,
          committed: cursor.committed.offset,
          end: Math.max(partition.end, cursor.position),
          inFlight: cursor.watermark.unfinished,
          attached: partition.attached(cursor),
          paused: cursor.paused,
        }
        if (cursor.trouble !== undefined) state.trouble = cursor.trouble
        states.push(state)
      }
    }
    return states
  }

  get partitionCount(): number {
    return this.#partitions.size
  }

  /** Reads no more, finishes what runs, commits, leaves. `deadlineMs` bounds the finishing. */
  async stop(deadlineMs: number): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearTimeout(this.#timer)
    const endsAt = Date.now() + deadlineMs
    const left = (): number => Math.max(endsAt - Date.now(), LAST_COMMIT_MS)
    await within(left(), this.#opening)
    await Promise.all([...this.#partitions.values()].map(({ partition }) => partition.stop()))
    await within(left(), this.#options.settleDown())
    await within(left(), this.#commit())
    for (const key of this.#partitions.keys()) this.#close(key)
    await this.#membership?.leave()
  }

  async #join(): Promise<void> {
    const { broker, group, triggers } = this.#options
    this.#membership = await broker.join({
      group,
      topics: [...new Set(triggers.map((trigger) => trigger.topic))],
      listener: {
        rebalancing: (deadlineMs) => this.#rebalancing(deadlineMs),
        assigned: (assignments) => this.#assign(assignments),
        lost: (assignments) => this.#lose(assignments),
        failed: (error) => this.#rejoin(error),
      },
    })
  }

  /** Before partitions move: what runs is finished and committed, so that it does not run twice. */
  async #rebalancing(deadlineMs: number): Promise<void> {
    await within(deadlineMs / 2, this.#options.settleDown())
    await this.#commit()
  }

  #assign(assignments: readonly Assignment[]): void {
    const owned = new Map(assignments.map((one) => [partitionKey(one), one]))
    for (const [key, { epoch }] of this.#partitions) {
      if (owned.get(key)?.epoch !== epoch) this.#close(key)
    }
    // Another owner takes over what a stopping process still has.
    if (this.#stopped) return
    this.#options.goOn()
    const gained = assignments.filter((one) => !this.#partitions.has(partitionKey(one)))
    this.#opening = this.#opening.then(() => this.#openAll(gained))
  }

  async #openAll(gained: readonly Assignment[]): Promise<void> {
    try {
      const { broker, triggers, log } = this.#options
      // What was gained may have been opened by an earlier turn, or lost again, before this one's came.
      const missing = gained.filter((one) => this.#isMissing(one))
      if (missing.length > 0) {
        const starts = await startingPoints(broker, triggers, missing, log)
        for (const assignment of missing) {
          if (!this.#stopped && this.#isMissing(assignment)) this.#open(assignment, starts)
        }
      }
      this.#assigned = true
      this.#trouble = undefined
    } catch (error) {
      if (this.#stopped) return
      this.#trouble = `partitions could not be opened: ${String(error)}`
      this.#options.log.error({ error: String(error) }, 'opening partitions failed; trying again')
      await pause(REJOIN_PAUSE_MS)
      if (!this.#stopped) await this.#openAll(gained)
    }
  }

  /** Owned and not open. Before `join` has given the membership, its assignments are all there is. */
  #isMissing(assignment: Assignment): boolean {
    const key = partitionKey(assignment)
    if (this.#partitions.has(key)) return false
    if (this.#membership === undefined) return true
    return this.#membership
      .assignments()
      .some((one) => partitionKey(one) === key && one.epoch === assignment.epoch)
  }

  #open(assignment: Assignment, starts: StartingPoints): void {
    const { topic, partition: number } = assignment
    const options = this.#options
    const key = partitionKey(assignment)
    const cursors = options.triggers
      .filter((trigger) => trigger.topic === topic)
      .map((trigger) => {
        return this.#cursor(trigger, assignment, starts(trigger, assignment))
      })
    const partition = new Partition({
      at: { topic, partition: number },
      cursors,
      broker: options.broker,
      decode: options.decode,
      match: (event) => options.match(topic, event),
      quarantine: (record, reason) => options.quarantine(topic, number, record, reason),
      maxCursorBytes: () => this.#maxCursorBytes(),
      log: options.log,
    })
    this.#partitions.set(key, { epoch: assignment.epoch, partition })
    partition.start()
  }

  #cursor(trigger: TriggerManifest, at: TopicPartition, start: StartingPoint): Cursor {
    const { topic, partition } = at
    const key = partitionKey(at)
    const cursor = new Cursor({
      trigger,
      topic,
      partition,
      from: start.from,
      ledger: this.#options.ledger(trigger),
      open: (listener) => this.#options.openChannel({ trigger, topic, partition, ...listener }),
      onRoom: () => this.#partitions.get(key)?.partition.wake(),
    })
    cursor.trouble = start.trouble
    cursor.troublePasses = start.passing === true
    return cursor
  }

  /** Asks again for the triggers whose group refused us, for example because Knative still ran in it. */
  async #startRefused(): Promise<void> {
    const { broker, log } = this.#options
    for (const { partition } of this.#partitions.values()) {
      for (const old of partition.cursors) {
        if (!old.troublePasses || this.#stopped) continue
        const at = { topic: old.topic, partition: old.partition }
        const start = (await startingPoints(broker, [old.trigger], [at], log))(old.trigger, at)
        const isOpen = this.#partitions.get(partitionKey(at))?.partition === partition
        if (start.trouble !== undefined || !isOpen) continue
        log.info({ group: old.trigger.group }, 'the group no longer refuses; the trigger starts')
        partition.replace(old, this.#cursor(old.trigger, at, start))
      }
    }
  }

  #maxCursorBytes(): number {
    const cursors = this.#partitions.size * this.#options.triggers.length
    const share = this.#options.maxBufferBytes / Math.max(1, cursors)
    return Math.min(Math.max(share, MIN_CURSOR_BYTES), MAX_CURSOR_BYTES)
  }

  #lose(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) this.#close(partitionKey(assignment))
    this.#assigned = false
    this.#options.log.warn(
      { partitions: assignments.length },
      'partitions lost; results are discarded',
    )
  }

  #close(key: string): void {
    const open = this.#partitions.get(key)
    if (open === undefined) return
    this.#partitions.delete(key)
    void open.partition.stop()
    for (const cursor of open.partition.cursors) cursor.close()
  }

  #rejoin(error: Error): void {
    if (this.#stopped) return
    for (const key of this.#partitions.keys()) this.#close(key)
    this.#assigned = false
    this.#trouble = `the consumer group was left: ${error.message}`
    this.#options.log.error({ error: String(error) }, 'membership failed; joining again')
    const failed = this.#membership
    this.#membership = undefined
    const again = async (): Promise<void> => {
      await pause(REJOIN_PAUSE_MS)
      try {
        await failed?.leave()
        if (!this.#stopped) await this.#join()
      } catch (cause) {
        this.#rejoin(cause instanceof Error ? cause : new Error(String(cause)))
      }
    }
    void again()
  }

  /**
   * A thousand groups take a while to commit; committing takes a tenth of the time at most. A
   * commit that waited for a log that was away says nothing of that kind.
   */
  #scheduleCommit(tookMs = 0): void {
    const restMs = Math.min(tookMs * 10, MAX_COMMIT_REST_MS)
    const waitMs = Math.max(this.#options.commitIntervalMs, restMs)
    this.#timer = setTimeout(() => {
      const startedAt = performance.now()
      void this.#commit()
        .then(() => this.#askRefused())
        .finally(() => {
          if (!this.#stopped) this.#scheduleCommit(performance.now() - startedAt)
        })
    }, waitMs)
  }

  async #askRefused(): Promise<void> {
    if (Date.now() < this.#askedAt + ASK_AGAIN_MS) return
    this.#askedAt = Date.now()
    try {
      await this.#startRefused()
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'a trigger that was refused cannot be asked')
    }
  }

  /** One commit at a time, so that an older position never overtakes a newer one. */
  #commit(): Promise<void> {
    this.#committing = this.#committing.then(async () => {
      const membership = this.#membership
      if (membership === undefined) return
      const epochs = new Map([...this.#partitions].map(([key, { epoch }]) => [key, epoch]))
      await commitProgress({
        broker: this.#options.broker,
        cursors: [...this.#cursors()],
        fence: { membership, epochs },
        log: this.#options.log,
      })
    })
    return this.#committing
  }

  *#cursors(): Generator<Cursor> {
    for (const { partition } of this.#partitions.values()) yield* partition.cursors
  }
}

async function pause(waitMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, waitMs).unref())
}
