/**
 * Appends, commits and transactions that arrive while a write runs form the next one: one sync to disk
 * for all of them, and no timer. Offsets are given here, since this queue is the log's only writer.
 */
import type { AppendRecord, AppendResult } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { partitionOf } from '../partitioner.ts'
import type { CommitRow } from './messages.ts'
import { FrameWriter } from './record-frame.ts'
import type { LogThread } from './thread-client.ts'
import { wake } from './topic-table.ts'
import type { PartitionState, TopicTable } from './topic-table.ts'

/** A write takes no further append once it has so many bytes. */
const FULL_WRITE_BYTES = 8 << 20
const FIRST_FRAME_BYTES = 64 << 10

interface PendingAppend {
  records: readonly AppendRecord[]
  /** Where each record goes, or why it goes nowhere. */
  targets: ReadonlyArray<PartitionState | Error>
  resolve: (results: AppendResult[]) => void
  /** What makes it a transaction; undefined for a plain append. */
  whole?: Whole
}

/** A transaction: its records and commits go into one write, or nowhere. */
interface Whole {
  rows: CommitRow[]
  /** Called when its turn comes, before anything of it is placed; throws to refuse it. */
  admit: (endOf: EndOf) => void
  /** Called at once, so that what is behind it in the queue can know. */
  reject: (error: Error) => void
}

/** Where a partition ends once everything before in the queue is written. */
export type EndOf = (state: PartitionState) => number

export interface WholeWrite {
  records: readonly AppendRecord[]
  targets: readonly PartitionState[]
  rows: CommitRow[]
  admit: (endOf: EndOf) => void
  failed: (error: Error) => void
}

interface PendingCommit {
  rows: CommitRow[]
  resolve: () => void
  reject: (error: Error) => void
}

/** One write: what is in it, and what becomes true when it is durable. */
interface Write {
  writer: FrameWriter
  appends: Array<{ append: PendingAppend; results: AppendResult[] }>
  commits: PendingCommit[]
  ends: Map<PartitionState, number>
}

export class GroupCommit {
  readonly #thread: LogThread
  readonly #topics: TopicTable
  readonly #onOutcome: (error: Error | undefined) => void
  #appends: PendingAppend[] = []
  #commits: PendingCommit[] = []
  #running: Promise<void> | undefined

  constructor(options: {
    thread: LogThread
    topics: TopicTable
    /** Called after each write, with its error if it failed. */
    onOutcome: (error: Error | undefined) => void
  }) {
    this.#thread = options.thread
    this.#topics = options.topics
    this.#onOutcome = options.onOutcome
  }

  append(records: readonly AppendRecord[]): Promise<AppendResult[]> {
    const targets = records.map((record) => this.#targetOf(record))
    return new Promise((resolve) => {
      this.#appends.push({ records, targets, resolve })
      this.#start()
    })
  }

  /** Rejects with what `admit` throws, or with `FN_BROKER_TRANSACTION_FAILED`. */
  transact(write: WholeWrite): Promise<AppendResult[]> {
    const { records, targets, rows, admit, failed } = write
    return new Promise((resolve, reject) => {
      const whole = {
        rows,
        admit,
        reject(error: Error) {
          failed(error)
          reject(error)
        },
      }
      this.#appends.push({ records, targets, resolve, whole })
      this.#start()
    })
  }

  /** Resolves when everything asked for before has been written, or has failed. */
  async settled(): Promise<void> {
    const nothing = { records: [], targets: [], rows: [], admit: () => {}, failed: () => {} }
    await this.transact(nothing).catch(() => {
      // It shared a write that failed, which has ended all the same.
    })
  }

  commit(rows: CommitRow[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commits.push({ rows, resolve, reject })
      this.#start()
    })
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    await this.#running
  }

  #targetOf(record: AppendRecord): PartitionState | Error {
    try {
      const partitions = this.#topics.partitionsOf(record.topic)
      const number = partitionOf(record.partitionBy, partitions.length)
      return partitions[number] as PartitionState
    } catch (error) {
      return error as Error
    }
  }

  #start(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // What else is appended in this turn of the loop joins the first write.
    await Promise.resolve()
    while (this.#appends.length > 0 || this.#commits.length > 0) {
      const write = this.#gather()
      const error = await this.#write(write)
      this.#onOutcome(error)
      if (error) fail(write, error)
      else succeed(write)
    }
    this.#running = undefined
  }

  #gather(): Write {
    const commits = this.#commits
    this.#commits = []
    const ends = new Map<PartitionState, number>()
    const writer = new FrameWriter(FIRST_FRAME_BYTES)
    const appends: Write['appends'] = []
    let taken = 0
    while (taken < this.#appends.length && writer.length < FULL_WRITE_BYTES) {
      const append = this.#appends[taken++] as PendingAppend
      if (append.whole && !isAdmitted(append.whole, ends)) continue
      appends.push({ append, results: placeAll(append, writer, ends) })
    }
    this.#appends = this.#appends.slice(taken)
    return { writer, appends, commits, ends }
  }

  async #write({ writer, appends, commits }: Write): Promise<Error | undefined> {
    const frame = writer.length > 0 ? writer.finish() : undefined
    const rows = commits.flatMap((commit) => commit.rows)
    for (const { append } of appends) if (append.whole) rows.push(...append.whole.rows)
    if (!frame && rows.length === 0) return undefined
    try {
      await this.#thread.call('write', { frame, commits: rows }, frame ? [frame.memory] : [])
      return undefined
    } catch (error) {
      return error as Error
    }
  }
}

function isAdmitted({ admit, reject }: Whole, ends: ReadonlyMap<PartitionState, number>): boolean {
  try {
    admit((state) => ends.get(state) ?? state.end)
    return true
  } catch (error) {
    reject(error as Error)
    return false
  }
}

function placeAll(
  { records, targets }: PendingAppend,
  writer: FrameWriter,
  ends: Map<PartitionState, number>,
): AppendResult[] {
  const now = Date.now()
  return records.map((record, i) => {
    const target = targets[i] as PartitionState | Error
    const { topic } = record
    if (target instanceof Error) return { ok: false, topic, error: target }
    const offset = ends.get(target) ?? target.end
    ends.set(target, offset + 1)
    writer.writeRecord(target.id, offset, record, record.timestamp ?? now)
    return { ok: true, topic, partition: target.partition, offset }
  })
}

function succeed({ appends, commits, ends }: Write): void {
  for (const [state, end] of ends) state.end = end
  for (const state of ends.keys()) wake(state)
  for (const { append, results } of appends) append.resolve(results)
  for (const { resolve } of commits) resolve()
}

function fail({ appends, commits }: Write, cause: Error): void {
  const error = new MillraceError(
    'FN_BROKER_APPEND_FAILED',
    `The embedded log wrote none of this: ${cause.message}. It takes records again by itself once that is mended`,
    { cause },
  )
  for (const { append, results } of appends) {
    append.whole?.reject(
      new MillraceError(
        'FN_BROKER_TRANSACTION_FAILED',
        `The embedded log wrote nothing of a transaction: ${cause.message}. It takes transactions again by itself once that is mended`,
        { cause },
      ),
    )
    append.resolve(
      results.map((result) => (result.ok ? { ok: false, topic: result.topic, error } : result)),
    )
  }
  for (const { reject } of commits) {
    reject(
      new MillraceError(
        'FN_BROKER_UNAVAILABLE',
        `The embedded log did not write a commit: ${cause.message}. Commit again once that is mended`,
        { cause },
      ),
    )
  }
}
