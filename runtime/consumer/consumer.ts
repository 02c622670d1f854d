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
} from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import { commitProgress } from './commits.ts'
import { Cursor, type Ledger } from './cursor.ts'
import { Partition } from './partition.ts'
import { startingPoints } from './starting-points.ts'

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

export class Consumer {
  readonly #options: ConsumerOptions
  readonly #partitions = new Map<string, { epoch: number; partition: Partition }>()
  #membership: Membership | undefined
  #timer: NodeJS.Timeout | undefined
  #committing: Promise<void> = Promise.resolve()
  /** Assignments are worked off one after another: opening takes requests to the broker. */
  #opening: Promise<void> = Promise.resolve()
  #assigned = false
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
    return [...troubles]
  }

  states(): CursorState[] {
    const states: CursorState[] = []
    for (const { partition } of this.#partitions.values()) {
      for (const cursor of partition.cursors) {
        const state: CursorState = {
          trigger: `${cursor.trigger.namespace}/${cursor.trigger.name}`,
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
    await this.#opening
    await Promise.all([...this.#partitions.values()].map(({ partition }) => partition.stop()))
    await within(deadlineMs, this.#options.settleDown())
    await this.#commit()
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
    this.#options.goOn()
    const gained = assignments.filter((one) => !this.#partitions.has(partitionKey(one)))
    this.#opening = this.#opening.then(() => this.#openAll(gained))
  }

  async #openAll(gained: readonly Assignment[]): Promise<void> {
    try {
      const { broker, triggers } = this.#options
      const starts = await startingPoints(broker, triggers, gained, this.#options.log)
      for (const assignment of gained) {
        if (this.#stopped || !this.#owns(assignment)) continue
        this.#open(assignment, starts)
      }
      this.#assigned = true
      this.#trouble = undefined
    } catch (error) {
      if (this.#stopped) return
      this.#trouble = `partitions could not be opened: ${String(error)}`
      this.#options.log.error({ error: String(error) }, 'opening partitions failed; trying again')
      await pause(REJOIN_PAUSE_MS)
      await this.#openAll(gained.filter((one) => this.#owns(one)))
    }
  }

  #owns(assignment: Assignment): boolean {
    const key = partitionKey(assignment)
    return (this.#membership?.assignments() ?? []).some(
      (one) => partitionKey(one) === key && one.epoch === assignment.epoch,
    )
  }

  #open(assignment: Assignment, starts: Awaited<ReturnType<typeof startingPoints>>): void {
    const { topic, partition: number } = assignment
    const options = this.#options
    const key = partitionKey(assignment)
    const cursors = options.triggers
      .filter((trigger) => trigger.topic === topic)
      .map((trigger) => {
        const start = starts(trigger, assignment)
        const cursor = new Cursor({
          trigger,
          topic,
          partition: number,
          from: start.from,
          ledger: options.ledger(trigger),
          open: (onSettled) =>
            options.openChannel({ trigger, topic, partition: number, onSettled }),
          onRoom: () => this.#partitions.get(key)?.partition.wake(),
        })
        cursor.trouble = start.trouble
        return cursor
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
    const again = async (): Promise<void> => {
      await pause(REJOIN_PAUSE_MS)
      if (this.#stopped) return
      try {
        await this.#join()
      } catch (cause) {
        this.#rejoin(cause instanceof Error ? cause : new Error(String(cause)))
      }
    }
    void again()
  }

  /** A thousand groups take a while to commit; committing never takes more than a tenth of the time. */
  #scheduleCommit(tookMs = 0): void {
    const waitMs = Math.max(this.#options.commitIntervalMs, tookMs * 10)
    this.#timer = setTimeout(() => {
      const startedAt = performance.now()
      void this.#commit().finally(() => {
        if (!this.#stopped) this.#scheduleCommit(performance.now() - startedAt)
      })
    }, waitMs)
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

/** Waits for `work`, but not longer; what is late goes on and its result is no longer needed. */
async function within(deadlineMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs)
  })
  await Promise.race([work, deadline])
  clearTimeout(timer)
}

async function pause(waitMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, waitMs).unref())
}
