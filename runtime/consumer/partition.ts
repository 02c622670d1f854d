/**
 * Reads one partition for all triggers of its topic.
 *
 * Cursors that stand at the same place share a reader: the log is read once. A cursor without room
 * leaves with a reader of its own, so that no trigger waits for another, and joins again when it has
 * caught up. The log is the only buffer.
 */
import type { Broker, LogRecord, TopicPartition } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { Logger } from '../contract/log.ts'
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import { isMillraceError, type MillraceError } from '../errors.ts'
import { pause } from '../backoff.ts'
import { Crowd } from './crowd.ts'
import type { Cursor } from './cursor.ts'
import { MAX_STEP_RECORDS } from './watermark.ts'

export interface PartitionOptions {
  at: TopicPartition
  cursors: readonly Cursor[]
  broker: Pick<Broker, 'read'>
  decode: (record: LogRecord) => Event
  /** Which triggers an event is for. */
  match: (event: Event) => readonly TriggerManifest[]
  /** What becomes of a record that is no event; resolves when that is durable. */
  refuse(record: LogRecord, reason: Error): Promise<Outcome>
  /** Room of one cursor; asked before each read, since it depends on how many cursors there are. */
  maxCursorBytes: () => number
  /** What the cursors that read together may hold, all of them; asked before each read. */
  maxReaderBytes: () => number
  /** Who ends nothing for so long while others wait for it is waited for no more. Default 10,000. */
  stalledMs?: number
  log: Logger
}

const READ_MAX_BYTES = 1024 * 1024
const READ_WAIT_MS = 500
const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
/** What drains does not say so: a crowded reader looks again after this time. */
const CROWD_LOOK_MS = 50
/** Cursors this close at the start share a reader: the later ones skip what they have seen. */
const SHARED_START_DISTANCE = 10_000

interface Reader {
  position: number
  cursors: Set<Cursor>
  /**
   * Few records of the last batch were for anyone. What is kept of the next one is then copied: a
   * record is a slice of its whole fetch, and one slow event must not hold a megabyte.
   */
  sparse: boolean
  readonly crowd: Crowd
}

/** Below this share of matching records a batch is sparse. */
const SPARSE_SHARE = 0.25

export class Partition {
  readonly #options: PartitionOptions
  readonly #readers = new Set<Reader>()
  readonly #byTrigger = new Map<TriggerManifest, Cursor>()
  #cursors: readonly Cursor[]
  #trouble: string | undefined
  readonly #stop = new AbortController()
  readonly #loops = new Set<Promise<void>>()
  #wake: Array<() => void> = []
  #end = 0
  #started = false

  constructor(options: PartitionOptions) {
    this.#options = options
    this.#cursors = options.cursors
    for (const cursor of options.cursors) this.#byTrigger.set(cursor.trigger, cursor)
  }

  get cursors(): readonly Cursor[] {
    return this.#cursors
  }

  /** Why it cannot be read, while that is so. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** End of the log as of the last read. */
  get end(): number {
    return this.#end
  }

  /** Whether the cursor reads together with the most advanced ones. */
  attached(cursor: Cursor): boolean {
    let first: Reader | undefined
    for (const reader of this.#readers) {
      if (first === undefined || reader.position > first.position) first = reader
    }
    return first?.cursors.has(cursor) ?? false
  }

  get started(): boolean {
    return this.#started
  }

  start(): void {
    this.#started = true
    this.#runAll(this.#cursors)
  }

  /** Cursors of triggers that have come. One that stands where others read joins them at once. */
  add(fresh: readonly Cursor[]): void {
    if (this.#stop.signal.aborted) return fresh.forEach((cursor) => cursor.close())
    this.#cursors = [...this.#cursors, ...fresh]
    for (const cursor of fresh) this.#byTrigger.set(cursor.trigger, cursor)
    if (this.#started) this.#runAll(fresh.filter((cursor) => !this.#joins(cursor)))
    this.wake() // a reader may have waited for room, which the newcomers have
  }

  /** Reads nothing more for these cursors; what they have under way may still end. */
  detach(cursors: readonly Cursor[]): void {
    for (const reader of this.#readers) {
      for (const cursor of cursors) reader.cursors.delete(cursor)
    }
    this.wake()
  }

  /** Reads nothing more for this cursor; its place stays until it is replaced. */
  withdraw(cursor: Cursor): void {
    cursor.close()
    this.detach([cursor])
  }

  /** Cursors of triggers that have gone. */
  remove(gone: readonly Cursor[]): void {
    for (const cursor of gone) {
      cursor.close()
      this.#byTrigger.delete(cursor.trigger)
    }
    this.detach(gone)
    const left = new Set(gone)
    this.#cursors = this.#cursors.filter((cursor) => !left.has(cursor))
  }

  /** Puts a fresh cursor in the place of one that could not start or go on. */
  replace(old: Cursor, fresh: Cursor): void {
    this.withdraw(old)
    if (this.#stop.signal.aborted) return fresh.close()
    this.#cursors = this.#cursors.map((cursor) => (cursor === old ? fresh : cursor))
    this.#byTrigger.set(fresh.trigger, fresh)
    if (this.#started) this.#run([fresh])
  }

  /** A cursor has room again, or was paused or resumed. */
  wake(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const resolve of waiting) resolve()
  }

  /** Stops reading; resolves when no read is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.wake()
    await Promise.all(this.#loops)
  }

  /** Together as far as they stand close to each other. */
  #runAll(cursors: readonly Cursor[]): void {
    const ordered = cursors.toSorted((a, b) => a.position - b.position)
    let group: Cursor[] = []
    for (const cursor of ordered) {
      const first = group[0]
      if (first !== undefined && cursor.position - first.position > SHARED_START_DISTANCE) {
        this.#run(group)
        group = []
      }
      group.push(cursor)
    }
    this.#run(group)
  }

  /** True where a reader comes by soon: the cursor skips what is before its place. */
  #joins(cursor: Cursor): boolean {
    // A batch may be on its way to that reader already.
    if (!cursor.hasRoom(this.#options.maxCursorBytes())) return false
    let nearest: Reader | undefined
    for (const reader of this.#readers) {
      if (reader.cursors.size === 0 || reader.position > cursor.position) continue
      if (nearest === undefined || reader.position > nearest.position) nearest = reader
    }
    if (nearest === undefined) return false
    if (cursor.position - nearest.position > SHARED_START_DISTANCE) return false
    nearest.cursors.add(cursor)
    return true
  }

  #run(cursors: Iterable<Cursor>): void {
    const set = new Set(cursors)
    if (set.size === 0) return
    const reader: Reader = {
      position: lowest(set),
      cursors: set,
      sparse: true,
      crowd: new Crowd(),
    }
    this.#readers.add(reader)
    const loop: Promise<void> = this.#read(reader).finally(() => {
      this.#readers.delete(reader)
      this.#loops.delete(loop)
    })
    this.#loops.add(loop)
  }

  async #read(reader: Reader): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#stop.signal.aborted && reader.cursors.size > 0) {
      if (this.#isCrowded(reader)) {
        await pause(CROWD_LOOK_MS, this.#stop.signal)
        continue
      }
      if (!this.#detachFull(reader)) {
        await new Promise<void>((resolve) => this.#wake.push(resolve))
        continue
      }
      try {
        await this.#readOnce(reader)
        pauseMs = FIRST_PAUSE_MS
        this.#trouble = undefined
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE')) {
          this.#lost(reader, error)
          continue
        }
        this.#options.log.warn(
          { ...this.#options.at, error: String(error), retryInMs: pauseMs },
          'reading failed',
        )
        const { topic, partition } = this.#options.at
        this.#trouble = `${topic}/${partition} cannot be read: ${String(error)}`
        await pause(pauseMs, this.#stop.signal)
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
      }
    }
  }

  /** Leaves only cursors with room in the reader; false when none has. */
  #detachFull(reader: Reader): boolean {
    const maxBytes = this.#options.maxCursorBytes()
    const full = [...reader.cursors].filter((cursor) => !cursor.hasRoom(maxBytes))
    if (full.length === reader.cursors.size) return false
    this.#detach(reader, full)
    return true
  }

  /**
   * A thousand cursors, each with room, hold too much together. Reading waits for them: each with a reader
   * of its own would read the log a thousand times. Only those that are slower than the others leave.
   */
  #isCrowded(reader: Reader): boolean {
    const { stalledMs, maxReaderBytes } = this.#options
    const slow = reader.crowd.slowOf(reader.cursors, { maxBytes: maxReaderBytes(), stalledMs })
    if (slow === undefined) return false
    this.#detach(reader, slow)
    return slow.length === 0
  }

  #detach(reader: Reader, leaving: readonly Cursor[]): void {
    for (const cursor of leaving) {
      reader.cursors.delete(cursor)
      this.#run([cursor])
    }
    // Those that left may have been the ones furthest behind.
    if (leaving.length > 0) reader.position = Math.max(reader.position, lowest(reader.cursors))
  }

  async #readOnce(reader: Reader): Promise<void> {
    const { at, broker } = this.#options
    const batch = await broker.read(at, reader.position, {
      maxBytes: READ_MAX_BYTES,
      waitMs: READ_WAIT_MS,
      signal: this.#stop.signal,
    })
    if (this.#stop.signal.aborted) return
    this.#end = batch.end
    // With another reader further on, take over no more than up to its place, then read together.
    const limit = Math.min(batch.next, this.#nextAhead(reader))
    this.#handOverAll(reader, batch.records, limit)
    this.#joinOthers(reader)
  }

  /** In steps, since a batch of small records is more than a window takes. */
  #handOverAll(reader: Reader, records: readonly LogRecord[], limit: number): void {
    for (let at = 0; ; at += MAX_STEP_RECORDS) {
      const after = records[at + MAX_STEP_RECORDS]
      const next = Math.min(after?.offset ?? limit, limit)
      this.#handOver(reader, records.slice(at, at + MAX_STEP_RECORDS), next)
      reader.position = next
      if (next === limit) return
      for (const cursor of reader.cursors) if (cursor.isWindowFull) return
    }
  }

  #nextAhead(reader: Reader): number {
    let next = Number.MAX_SAFE_INTEGER
    for (const other of this.#readers) {
      const isAhead = other.position > reader.position && other.cursors.size > 0
      if (isAhead && other.position < next) next = other.position
    }
    return next
  }

  #joinOthers(reader: Reader): void {
    for (const other of this.#readers) {
      if (other === reader || other.position !== reader.position || other.cursors.size === 0)
        continue
      for (const cursor of reader.cursors) other.cursors.add(cursor)
      reader.cursors.clear()
      this.wake() // the other one may be waiting for room, which the newcomers have
      return
    }
  }

  #handOver(reader: Reader, records: readonly LogRecord[], limit: number): void {
    const counts = new Map<Cursor, number>()
    for (const cursor of reader.cursors) counts.set(cursor, 0)
    const alike = everyoneAt(reader)
    let count = 0
    let kept = 0
    for (const record of records) {
      if (record.offset >= limit) break
      count++
      if (!alike) {
        for (const cursor of reader.cursors) {
          if (record.offset >= cursor.position) counts.set(cursor, (counts.get(cursor) ?? 0) + 1)
        }
      }
      if (this.#handOverOne(reader, record)) kept++
    }
    for (const cursor of reader.cursors) {
      cursor.advance(limit, alike ? count : (counts.get(cursor) ?? 0))
    }
    if (count > 0) reader.sparse = kept < count * SPARSE_SHARE
  }

  /** True when somebody took the record. */
  #handOverOne(reader: Reader, record: LogRecord): boolean {
    let event: Event
    try {
      event = this.#options.decode(record)
    } catch (error) {
      if (!isMillraceError(error)) throw error
      const takers = [...reader.cursors].filter((cursor) => cursor.wants(record.offset))
      if (takers.length === 0) return false
      const refused = this.#options.refuse(record, error)
      for (const cursor of takers) cursor.refused(record, refused)
      return true
    }
    let kept: LogRecord | undefined
    for (const trigger of this.#options.match(event)) {
      const cursor = this.#byTrigger.get(trigger)
      if (cursor === undefined || !reader.cursors.has(cursor)) continue
      if (!cursor.wants(record.offset)) continue
      if (kept === undefined) {
        kept = reader.sparse ? copyOf(record) : record
        if (kept !== record) event = this.#options.decode(kept)
      }
      cursor.matched(kept, event)
    }
    return kept !== undefined
  }

  /** Never move silently: stop here and say what a person has to decide. */
  #lost(reader: Reader, error: MillraceError): void {
    const start = Number(error.detail['start'] ?? Number.POSITIVE_INFINITY)
    for (const cursor of reader.cursors) {
      // One that stands further on only shared the reader.
      if (cursor.position > reader.position && cursor.position >= start) continue
      cursor.trouble = `OffsetLost: trigger ${triggerName(cursor.trigger)}: ${error.message}`
      cursor.troublePasses = true // once somebody has set the offset
      this.#options.log.error({ ...this.#options.at, group: cursor.trigger.group }, cursor.trouble)
    }
  }
}

function lowest(cursors: Iterable<Cursor>): number {
  return Math.min(...[...cursors].map((cursor) => cursor.position))
}

/** Whether all cursors of a reader stand where it reads, as they do but for the first moments. */
function everyoneAt(reader: Reader): boolean {
  for (const cursor of reader.cursors) if (cursor.position !== reader.position) return false
  return true
}

function copyOf(record: LogRecord): LogRecord {
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key === null ? null : Buffer.from(record.key),
    value: record.value === null ? null : Buffer.from(record.value),
    headers: record.headers.map(
      ([name, value]) => [Buffer.from(name), value === null ? null : Buffer.from(value)] as const,
    ),
  }
}
