/**
 * One process's share of the deployment's partitions: joins the group that decides who owns what, opens
 * each partition at the places its triggers had reached, and commits their progress.
 */
import {
  partitionKey,
  type Assignment,
  type CommitOptions,
  type Membership,
} from '../contract/broker.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import { topicPrefixOf, triggerName, type TriggerManifest } from '../contract/manifest.ts'
import { within } from '../within.ts'
import { pause } from '../backoff.ts'
import type { ConsumerOptions, RetryTopics, TriggerSet } from './consumer-options.ts'
import { Control } from './control.ts'
import { cursorStates } from './cursor-states.ts'
import { eachLimited } from './limited.ts'
import { OwnedPartition } from './owned-partition.ts'
import { Rounds } from './rounds.ts'
import { startingPoints, type StartingPoints } from './starting-points.ts'
import { Transactors } from './transactors.ts'
import { startTriggers, stopTriggers } from './trigger-update.ts'

const MIN_CURSOR_BYTES = 64 * 1024
const MAX_CURSOR_BYTES = 8 * 1024 * 1024
const OPENED_AT_ONCE = 8
const REJOIN_PAUSE_MS = 1_000
/** The last commit gets this long even when the work before it took all the time. */
const LAST_COMMIT_MS = 3_000
/** How long an update waits for partitions of topics that are new to it; they may still come later. */
const SUBSCRIBE_MS = 10_000

export class Consumer {
  readonly #options: ConsumerOptions
  readonly #partitions = new Map<string, OwnedPartition>()
  readonly #control: Control
  readonly #transactors: Transactors
  readonly #rounds: Rounds
  readonly #stop = new AbortController()
  #set: TriggerSet
  #membership: Membership | undefined
  /** Those that the membership asks for, or will ask for; none before the first trigger. */
  #topics: readonly string[] = []
  /** Assignments are worked off one after another: opening takes requests to the broker. */
  #opening: Promise<void> = Promise.resolve()
  #updates: Promise<void> = Promise.resolve()
  #assigned = false
  #trouble: string | undefined

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#set = options
    const { broker, limits } = options
    this.#transactors = new Transactors({
      open: (transactor) => broker.transactor(transactor),
      max: limits.maxTransactors,
    })
    this.#control = new Control({
      broker: options.broker,
      topic: options.names.controlTopic,
      changed: (name, paused) => this.#setPaused(name, paused),
      log: options.log,
    })
    this.#rounds = new Rounds({
      ...options,
      commitIntervalMs: limits.commitIntervalMs,
      partitions: () => this.#partitions.values(),
      membership: () => this.#membership,
      retryTopics: () => this.#retryTopics(),
    })
  }

  async start(): Promise<void> {
    const topics = topicsOf(this.#set.triggers)
    if (topics.length === 0) this.#assigned = true
    else await this.#begin(topics)
  }

  /**
   * Other triggers from now on. Those that stay, as the same objects, go on undisturbed. One that goes
   * starts nothing more, and what runs has a short time to end; one that takes its group over goes on where
   * it stood. Rejects when the log does not let this process join; then nothing has changed.
   */
  update(next: TriggerSet): Promise<void> {
    const turn = this.#updates.then(() => this.#update(next))
    this.#updates = turn.catch(() => {}) // its caller has it
    return turn
  }

  /** Why this process does not consume all that it should; empty when it does. */
  troubles(): string[] {
    const troubles = new Set<string>()
    if (!this.#assigned) troubles.add('waiting for partitions to be assigned')
    if (this.#trouble !== undefined) troubles.add(this.#trouble)
    for (const owned of this.#partitions.values()) {
      for (const trouble of owned.troubles()) troubles.add(trouble)
    }
    return [...troubles]
  }

  states(): CursorState[] {
    return cursorStates(this.#partitions.values())
  }

  get partitionCount(): number {
    return this.#partitions.size
  }

  /** Reads no more, finishes what runs, commits, leaves. `deadlineMs` bounds the finishing. */
  async stop(deadlineMs: number): Promise<void> {
    if (this.#isStopped) return
    this.#stop.abort()
    this.#rounds.stop()
    const endsAt = Date.now() + deadlineMs
    const left = (): number => Math.max(endsAt - Date.now(), LAST_COMMIT_MS)
    await this.#control.stop()
    await within(left(), this.#updates)
    await within(left(), this.#opening)
    await Promise.all([...this.#partitions.values()].map((owned) => owned.stop()))
    await within(left(), this.#options.settleDown())
    await within(left(), this.#rounds.commit())
    for (const key of this.#partitions.keys()) this.#close(key)
    await this.#membership?.leave()
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #update(next: TriggerSet): Promise<void> {
    if (this.#isStopped) return
    await this.#subscribe([...this.#set.triggers, ...next.triggers])
    const turn = this.#opening.then(() => this.#change(next))
    this.#opening = turn.catch(() => {}) // its caller has it
    await turn
  }

  /** Topics that no trigger reads any more stay until others come: leaving them would disturb the group. */
  async #subscribe(triggers: readonly TriggerManifest[]): Promise<void> {
    const topics = topicsOf(triggers)
    if (topics.every((topic) => this.#topics.includes(topic))) return
    if (this.#topics.length === 0) return this.#begin(topics)
    this.#topics = topics
    // While it joins again, that asks for them.
    const subscribed = this.#membership?.subscribe(topics)
    await Promise.race([subscribed, pause(SUBSCRIBE_MS, this.#stop.signal)])
  }

  async #begin(topics: readonly string[]): Promise<void> {
    await this.#control.start()
    this.#topics = topics
    try {
      await this.#join()
    } catch (error) {
      this.#topics = []
      throw error
    }
    this.#rounds.start()
  }

  async #change(next: TriggerSet): Promise<void> {
    if (this.#isStopped) return
    const { broker, retire, log } = this.#options
    const before = new Set(this.#set.triggers)
    const after = new Set(next.triggers)
    const gone = new Set([...before].filter((trigger) => !after.has(trigger)))
    const fresh = next.triggers.filter((trigger) => !before.has(trigger))
    const partitions = (): OwnedPartition[] => [...this.#partitions.values()]
    // In one turn of the loop: nobody reads for those that are in neither set.
    for (const owned of partitions()) owned.detach(gone)
    this.#set = next
    const places = await stopTriggers(gone, {
      partitions,
      retire,
      commit: () => this.#rounds.commit(),
    })
    await startTriggers(fresh, {
      partitions,
      places,
      broker,
      retryTopics: () => this.#retryTopics(),
      trouble: (trouble) => (this.#trouble = trouble),
      stop: this.#stop.signal,
      log,
    })
  }

  async #join(): Promise<void> {
    const { broker, group } = this.#options
    const topics = this.#topics
    const membership = await broker.join({
      group,
      topics,
      listener: {
        rebalancing: (deadlineMs) => this.#rebalancing(deadlineMs),
        assigned: (assignments) => this.#assign(assignments),
        lost: (assignments) => this.#lose(assignments),
        failed: (error) => this.#rejoin(error),
      },
    })
    if (this.#isStopped) return membership.leave()
    this.#membership = membership
    if (this.#topics !== topics) void membership.subscribe(this.#topics)
  }

  /** Before partitions move: what runs is finished and committed, so that it does not run twice. */
  async #rebalancing(deadlineMs: number): Promise<void> {
    await within(deadlineMs / 2, this.#options.settleDown())
    await this.#rounds.commit()
  }

  #assign(assignments: readonly Assignment[]): void {
    const owned = new Map(assignments.map((one) => [partitionKey(one), one]))
    for (const [key, { assignment }] of this.#partitions) {
      if (owned.get(key)?.epoch !== assignment.epoch) this.#close(key)
    }
    // Another owner takes over what a stopping process still has.
    if (this.#isStopped) return
    this.#options.goOn()
    const gained = assignments.filter((one) => !this.#partitions.has(partitionKey(one)))
    this.#opening = this.#opening.then(() => this.#openAll(gained))
  }

  async #openAll(gained: readonly Assignment[]): Promise<void> {
    try {
      const { broker, log } = this.#options
      // What was gained may have been opened by an earlier turn, or lost again, before this one's came.
      const missing = gained.filter((one) => this.#isMissing(one))
      if (missing.length > 0) {
        const plain = this.#set.triggers.filter(({ delivery }) => !delivery.exactlyOnce)
        const starts = await startingPoints(broker, plain, missing, log)
        const retryTopics = await this.#retryTopics()
        await eachLimited(missing, OPENED_AT_ONCE, (one) => this.#open(one, starts, retryTopics))
      }
      this.#assigned = true
      this.#trouble = undefined
    } catch (error) {
      if (this.#isStopped) return
      this.#trouble = `partitions could not be opened: ${String(error)}`
      this.#options.log.error({ error: String(error) }, 'opening partitions failed; trying again')
      await pause(REJOIN_PAUSE_MS, this.#stop.signal)
      if (!this.#isStopped) await this.#openAll(gained)
    }
  }

  /** Owned and not open. Before `join` has given the membership, its assignments are all there is. */
  #isMissing(assignment: Assignment): boolean {
    const key = partitionKey(assignment)
    if (this.#isStopped || this.#partitions.has(key)) return false
    if (this.#membership === undefined) return true
    return this.#membership
      .assignments()
      .some((one) => partitionKey(one) === key && one.epoch === assignment.epoch)
  }

  /** One question for all triggers: most of them never have a dead letter replayed. */
  async #retryTopics(): Promise<RetryTopics> {
    const { broker, names } = this.#options
    const found = await broker.topics(
      this.#set.triggers.map((trigger) => names.retryTopic(topicPrefixOf(trigger))),
    )
    return new Map(found.map(({ topic, partitions }) => [topic, partitions]))
  }

  async #open(
    assignment: Assignment,
    starts: StartingPoints,
    retryTopics: RetryTopics,
  ): Promise<void> {
    if (!this.#isMissing(assignment)) return
    const owned = await OwnedPartition.open(
      {
        ...this.#options,
        triggers: () => this.#set.triggers,
        match: (topic, event) => this.#set.match(topic, event),
        assignment,
        transactors: this.#transactors,
        fence: () => this.#fence(assignment),
        maxCursorBytes: () => this.#maxCursorBytes(),
        maxReaderBytes: () => this.#maxReaderBytes(),
        isPaused: (trigger) => this.#control.isPaused(triggerName(trigger)),
      },
      starts,
      retryTopics,
    )
    // Opening took requests to the broker, and meanwhile it may have been lost.
    if (!this.#isMissing(assignment)) return owned.close()
    this.#partitions.set(owned.key, owned)
    owned.start()
  }

  #fence(assignment: Assignment): NonNullable<CommitOptions['fence']> {
    if (this.#membership === undefined) throw new Error('the group was left')
    return {
      membership: this.#membership,
      epochs: new Map([[partitionKey(assignment), assignment.epoch]]),
    }
  }

  #maxReaderBytes(): number {
    return this.#options.limits.maxBufferBytes / Math.max(1, this.#partitions.size)
  }

  #maxCursorBytes(): number {
    const cursors = this.#partitions.size * this.#set.triggers.length
    const share = this.#options.limits.maxBufferBytes / Math.max(1, cursors)
    return Math.min(Math.max(share, MIN_CURSOR_BYTES), MAX_CURSOR_BYTES)
  }

  #setPaused(name: string, paused: boolean): void {
    const { log, setPaused } = this.#options
    const trigger = this.#set.triggers.find((one) => triggerName(one) === name)
    if (trigger === undefined) return // of another version of this deployment
    log.info({ trigger: name }, paused ? 'trigger paused' : 'trigger resumed')
    setPaused(trigger, paused)
    for (const owned of this.#partitions.values()) owned.setPaused(trigger, paused)
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
    const owned = this.#partitions.get(key)
    if (owned === undefined) return
    this.#partitions.delete(key)
    owned.close()
  }

  #rejoin(error: Error): void {
    if (this.#isStopped) return
    for (const key of this.#partitions.keys()) this.#close(key)
    this.#assigned = false
    this.#trouble = `the consumer group was left: ${error.message}`
    this.#options.log.error({ error: String(error) }, 'membership failed; joining again')
    const failed = this.#membership
    this.#membership = undefined
    const again = async (): Promise<void> => {
      await pause(REJOIN_PAUSE_MS, this.#stop.signal)
      try {
        await failed?.leave()
        if (!this.#isStopped) await this.#join()
      } catch (cause) {
        this.#rejoin(cause instanceof Error ? cause : new Error(String(cause)))
      }
    }
    void again()
  }
}

function topicsOf(triggers: readonly TriggerManifest[]): string[] {
  return [...new Set(triggers.map(({ topic }) => topic))]
}
