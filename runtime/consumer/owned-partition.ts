/**
 * One partition of a broker's topic that this process owns, with all that follows from owning it: the
 * cursor of each trigger, the replayed events of those triggers, and the writer of transactions.
 *
 * A trigger's retry topic has no owners of its own: its partition belongs to whoever owns the partition
 * of the same number of the broker's topic, where the events came from. So an event that is replayed
 * meets later events of its key in the same lanes.
 */
import { partitionKey, type Assignment, type TopicPartition } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import { topicPrefixOf, type TriggerManifest } from '../contract/manifest.ts'
import type { OwnedPartitionOptions, RetryTopics } from './consumer-options.ts'
import type { Cursor } from './cursor.ts'
import { Dedupe } from './dedupe.ts'
import { ExactlyOnce } from './exactly-once.ts'
import { openCursor, type CursorPlace } from './open-cursor.ts'
import { Partition } from './partition.ts'
import { restored } from './restore.ts'
import {
  placeKey,
  retryStart,
  startingPoints,
  type StartLog,
  type StartingPoint,
  type StartingPoints,
  type Places,
} from './starting-points.ts'

/** Where the replayed events of one trigger come from. */
interface RetrySource {
  partition: Partition
  trigger: TriggerManifest
}

export class OwnedPartition {
  readonly assignment: Assignment
  readonly #options: OwnedPartitionOptions
  readonly #main: Partition
  readonly #retries: RetrySource[] = []
  readonly #stop = new AbortController()
  readonly #exactlyOnce: ExactlyOnce

  /** `starts` has the starting points of all triggers but those with `exactlyOnce`. */
  static async open(
    options: OwnedPartitionOptions,
    starts: StartingPoints,
    retryTopics: RetryTopics,
  ): Promise<OwnedPartition> {
    const owned = new OwnedPartition(options, starts)
    try {
      if (owned.#main.cursors.some(isExactlyOnce)) await owned.#exactlyOnce.takeOver()
      await owned.openRetries(retryTopics)
      return owned
    } catch (error) {
      await owned.stop()
      owned.close()
      throw error
    }
  }

  private constructor(options: OwnedPartitionOptions, starts: StartingPoints) {
    this.#options = options
    this.assignment = options.assignment
    const at = this.#at
    this.#exactlyOnce = new ExactlyOnce({
      at,
      broker: options.broker,
      transactors: options.transactors,
      cursors: () => [...this.cursors()].filter(isExactlyOnce),
      transactionalId: options.names.transactionalId(at),
      fence: options.fence,
      ensureTopics: options.ensureTopics,
      withdraw: () => this.#withdraw(),
      restart: (log) => this.#restart(log),
      log: options.log,
      stop: this.#stop.signal,
    })
    const cursors = options
      .triggers()
      .filter((trigger) => trigger.topic === at.topic)
      .map((trigger) => {
        if (trigger.delivery.exactlyOnce) return this.#mainCursor(trigger, NOT_TAKEN_OVER)
        return this.#mainCursor(trigger, starts(trigger, at))
      })
    this.#main = this.#partition(at, cursors, (event) => options.match(at.topic, event))
  }

  get key(): string {
    return partitionKey(this.assignment)
  }

  *cursors(): Generator<Cursor> {
    yield* this.#main.cursors
    for (const { partition } of this.#retries) yield* partition.cursors
  }

  attached(cursor: Cursor): boolean {
    return this.#partitionOf(cursor).attached(cursor)
  }

  endFor(cursor: Cursor): number {
    return Math.max(this.#partitionOf(cursor).end, cursor.position)
  }

  troubles(): string[] {
    const troubles = [this.#exactlyOnce.trouble, this.#main.trouble]
    for (const { partition } of this.#retries) troubles.push(partition.trouble)
    for (const cursor of this.cursors()) troubles.push(cursor.trouble, cursor.commitTrouble)
    return troubles.filter((trouble) => trouble !== undefined)
  }

  start(): void {
    this.#main.start()
    for (const { partition } of this.#retries) partition.start()
    for (const cursor of this.#main.cursors) this.#restore(cursor)
  }

  /** Cursors whose progress is committed by itself, not in transactions. */
  appending(): Cursor[] {
    return [...this.cursors()].filter((cursor) => !isExactlyOnce(cursor))
  }

  /** Commits the progress of the others as far as no transaction has done it. Never rejects. */
  commit(): Promise<void> {
    return this.#exactlyOnce.commit([...this.cursors()].filter(isExactlyOnce))
  }

  setPaused(trigger: TriggerManifest, paused: boolean): void {
    for (const cursor of this.cursors()) if (cursor.trigger === trigger) cursor.paused = paused
    this.#wake()
  }

  /** Whether a trigger has its place here. */
  serves(trigger: TriggerManifest): boolean {
    return this.#main.cursors.some((cursor) => cursor.trigger === trigger && !cursor.leaving)
  }

  /** Reads nothing more for triggers that go; what they have under way may still end. */
  detach(triggers: ReadonlySet<TriggerManifest>): void {
    const gone = [...this.cursors()].filter(({ trigger }) => triggers.has(trigger))
    for (const cursor of gone) cursor.leaving = true
    this.#main.detach(gone)
    for (const { partition } of this.#retries) partition.detach(gone)
  }

  /** Closes their cursors, and gives where those stood that commit by themselves. */
  async remove(triggers: ReadonlySet<TriggerManifest>): Promise<Places> {
    const gone = [...this.cursors()].filter(({ trigger }) => triggers.has(trigger))
    const places: Places = new Map()
    for (const cursor of gone) {
      if (isExactlyOnce(cursor) || cursor.trouble !== undefined) continue
      const { offset, metadata } = cursor.watermark.progress()
      const { committed } = cursor
      places.set(placeKey(cursor.trigger, cursor), { from: { offset, metadata }, committed })
    }
    this.#main.remove(this.#main.cursors.filter(({ trigger }) => triggers.has(trigger)))
    for (const source of this.#retries.filter(({ trigger }) => triggers.has(trigger))) {
      source.partition.remove(source.partition.cursors)
      void source.partition.stop()
      this.#retries.splice(this.#retries.indexOf(source), 1)
    }
    await this.#exactlyOnce.settled(gone.filter(isExactlyOnce))
    return places
  }

  /** Triggers that have come; `starts` has the starting points of all but those with `exactlyOnce`. */
  async add(triggers: readonly TriggerManifest[], starts: StartingPoints): Promise<void> {
    if (this.#stop.signal.aborted) return
    const fresh = triggers
      .filter((trigger) => trigger.topic === this.#at.topic && !this.serves(trigger))
      .map((trigger) => {
        if (trigger.delivery.exactlyOnce) return this.#mainCursor(trigger, NOT_TAKEN_OVER)
        return this.#mainCursor(trigger, starts(trigger, this.#at))
      })
    this.#main.add(fresh)
    if (this.#main.started) for (const cursor of fresh) this.#restore(cursor)
    const exactlyOnce = fresh.filter(isExactlyOnce)
    if (exactlyOnce.length === 0 || (await this.#exactlyOnce.begin())) return
    // While the partition is being taken over, that starts them, or the next look around.
    const log = this.#exactlyOnce.startLog
    if (log !== undefined) await this.#startMain(log, exactlyOnce)
  }

  /** Opens the retry topics that are there and not open yet; `places` before what the log says. */
  async openRetries(retryTopics: RetryTopics, places: Places = NO_PLACES): Promise<void> {
    const { broker, triggers, names } = this.#options
    for (const trigger of triggers()) {
      const topic = names.retryTopic(topicPrefixOf(trigger))
      if (trigger.topic !== this.#at.topic) continue
      if (this.#at.partition >= (retryTopics.get(topic) ?? 0)) continue
      if (this.#hasRetries(trigger)) continue
      const at = { topic, partition: this.#at.partition }
      const log = trigger.delivery.exactlyOnce ? this.#exactlyOnce.startLog : broker
      if (log === undefined) continue // its partition is being taken over
      const known = log === broker ? places.get(placeKey(trigger, at)) : undefined
      const start = known ?? (await retryStart(log, trigger, at))
      if (this.#stop.signal.aborted) return
      if (this.#hasMoved(trigger, log)) continue
      // Both may have come to pass while the log was asked.
      if (this.#hasRetries(trigger) || !this.serves(trigger)) continue
      const cursor = this.#retryCursor(trigger, at, start)
      const partition = this.#partition(at, [cursor], () => [trigger])
      this.#retries.push({ partition, trigger })
      if (this.#main.started) partition.start()
    }
  }

  /** Asks again for triggers that could not start: a group with members, an offset that was lost. */
  async askAgain(): Promise<void> {
    for (const old of this.cursors()) {
      if (!old.troublePasses || old.leaving) continue
      let start = await this.#startOf(old)
      if (start === undefined || start.trouble !== undefined || !this.#isWanted(old)) continue
      if (isExactlyOnce(old)) {
        // What it has under way could be committed after its place was read.
        this.#partitionOf(old).withdraw(old)
        start = await this.#startOf(old)
        if (start === undefined || !this.#isWanted(old)) continue
      }
      this.#options.log.info({ group: old.trigger.group }, 'the trigger goes on')
      this.#replace(old, this.#cursorLike(old, start))
    }
  }

  /** Stops reading; resolves when no read is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#main.stop(), ...this.#retries.map((one) => one.partition.stop())])
  }

  /** The partition is another's: what is unfinished here is discarded. */
  close(): void {
    void this.stop()
    for (const cursor of this.cursors()) cursor.close()
    void this.#exactlyOnce.close()
  }

  get #at(): TopicPartition {
    const { topic, partition } = this.assignment
    return { topic, partition }
  }

  #hasRetries(trigger: TriggerManifest): boolean {
    return this.#retries.some((one) => one.trigger === trigger)
  }

  #partitionOf(cursor: Cursor): Partition {
    const retry = this.#retries.find(({ partition }) => partition.cursors.includes(cursor))
    return retry?.partition ?? this.#main
  }

  #isCurrent(cursor: Cursor): boolean {
    return !this.#stop.signal.aborted && this.#partitionOf(cursor).cursors.includes(cursor)
  }

  #wake(): void {
    this.#main.wake()
    for (const { partition } of this.#retries) partition.wake()
  }

  #partition(
    at: TopicPartition,
    cursors: readonly Cursor[],
    match: (event: Event) => readonly TriggerManifest[],
  ): Partition {
    const { broker, decode, refuse, maxCursorBytes, maxReaderBytes, log } = this.#options
    return new Partition({
      at,
      cursors,
      broker,
      decode: (record) => decode(record, at),
      match,
      refuse: (record, reason) => refuse(at, record, reason),
      maxCursorBytes,
      maxReaderBytes,
      log,
    })
  }

  #mainCursor(trigger: TriggerManifest, start: StartingPoint): Cursor {
    const { dedupe } = trigger
    // When one that could not go on is replaced, its replayed events may be on their way already.
    const retry = this.#retries.find((one) => one.trigger === trigger)?.partition.cursors[0]
    const cursor = this.#cursor(trigger, this.#at, {
      start,
      dedupe: dedupe === undefined ? undefined : new Dedupe(dedupe),
      beside: retry?.closed === false ? retry.channel : undefined,
    })
    cursor.restoring = dedupe !== undefined || trigger.delivery.onDeadLetter === 'park'
    return cursor
  }

  #cursor(trigger: TriggerManifest, at: TopicPartition, place: CursorPlace): Cursor {
    return openCursor(trigger, at, {
      ...place,
      options: this.#options,
      transact: (entry) => this.#exactlyOnce.write(entry),
      onRoom: (cursor) => this.#partitionOf(cursor).wake(),
    })
  }

  /** Nothing of a trigger with `exactlyOnce` goes on; what it has under way is discarded. */
  #withdraw(): void {
    for (const cursor of this.cursors()) {
      if (isExactlyOnce(cursor)) this.#partitionOf(cursor).withdraw(cursor)
    }
  }

  #replace(old: Cursor, fresh: Cursor): void {
    this.#partitionOf(old).replace(old, fresh)
    if (this.#main.started && fresh.topic === this.#at.topic) this.#restore(fresh)
  }

  /** Reads what a trigger has to know before its first event; until then it waits. */
  #restore(cursor: Cursor): void {
    if (!cursor.restoring || cursor.trouble !== undefined) return
    const options = { ...this.#options, at: this.#at, signal: this.#stop.signal }
    void restored(cursor, options).then((isKnown) => {
      if (!isKnown) return
      const { trigger } = cursor
      for (const one of this.cursors()) if (one.trigger === trigger) one.restoring = false
      this.#wake()
    })
  }

  /** Fresh cursors for the triggers with `exactlyOnce`, the main ones first, since they give the lanes. */
  async #restart(log: StartLog): Promise<void> {
    await this.#startMain(log, this.#main.cursors.filter(isExactlyOnce))
    for (const { partition } of this.#retries) {
      for (const old of partition.cursors.filter(isExactlyOnce)) {
        const start = await retryStart(log, old.trigger, old)
        if (this.#isWanted(old)) this.#replace(old, this.#cursorLike(old, start))
      }
    }
  }

  async #startMain(log: StartLog, cursors: readonly Cursor[]): Promise<void> {
    const triggers = cursors.map(({ trigger }) => trigger)
    const starts = await startingPoints(log, triggers, [this.#at], this.#options.log)
    for (const old of cursors) {
      if (!this.#isWanted(old)) continue
      this.#replace(old, this.#cursorLike(old, starts(old.trigger, this.#at)))
    }
  }

  #isWanted(cursor: Cursor): boolean {
    return !cursor.leaving && this.#isCurrent(cursor)
  }

  /** Whether a trigger's partition is being taken over, or was since `log` gave a place in it. */
  #hasMoved({ delivery }: TriggerManifest, log: StartLog): boolean {
    return delivery.exactlyOnce && this.#exactlyOnce.startLog !== log
  }

  /** Where a cursor would start now; undefined while its partition is being taken over. */
  async #startOf({ trigger, topic, partition }: Cursor): Promise<StartingPoint | undefined> {
    const { broker } = this.#options
    const log = trigger.delivery.exactlyOnce ? this.#exactlyOnce.startLog : broker
    if (log === undefined) return undefined
    const at = { topic, partition }
    if (topic !== this.#at.topic) return retryStart(log, trigger, at)
    return (await startingPoints(log, [trigger], [at], SAY_NOTHING))(trigger, at)
  }

  /** Another cursor in the same place, with the same lanes. */
  #cursorLike({ trigger, topic, partition }: Cursor, start: StartingPoint): Cursor {
    if (topic === this.#at.topic) return this.#mainCursor(trigger, start)
    return this.#retryCursor(trigger, { topic, partition }, start)
  }

  #retryCursor(trigger: TriggerManifest, at: TopicPartition, start: StartingPoint): Cursor {
    const main = this.#main.cursors.find((cursor) => cursor.trigger === trigger) as Cursor
    const cursor = this.#cursor(trigger, at, { start, beside: main.channel })
    cursor.restoring = main.restoring
    return cursor
  }
}

function isExactlyOnce({ trigger }: Cursor): boolean {
  return trigger.delivery.exactlyOnce
}

/** Nothing is read for a trigger with `exactlyOnce` before a former owner is fenced. */
const NOT_TAKEN_OVER: StartingPoint = {
  from: { offset: 0, metadata: '' },
  trouble: 'its partition is being taken over',
  passing: true,
}

const NO_PLACES: Places = new Map()

const SAY_NOTHING = { error: () => {} }
