/**
 * Exactly once in the log: output and progress of one owned partition, in one transaction.
 *
 * The transactional id belongs to the partition, so that a new owner ends and fences what the former one
 * had open. A transaction is opened when results are there, never while a handler runs; what comes
 * meanwhile forms the next. After any error the writer is of no more use: whoever owns the partition
 * opens another one, then reads the committed offsets, and only then goes on.
 */
import type {
  AppendRecord,
  AppendResult,
  CommitOptions,
  GroupCommit,
  LogRecord,
  OffsetCommit,
  Transactor,
} from '../contract/broker.ts'
import { MillraceError } from '../errors.ts'
import type { Cursor } from './cursor.ts'
import type { Progress } from './watermark.ts'

export interface PartitionWriterOptions {
  transactor: Transactor
  /** The ownership that has to hold when the transaction is committed. */
  fence: () => NonNullable<CommitOptions['fence']>
  /** Makes the topics of records that are about to be written. */
  ensureTopics: (records: readonly AppendRecord[]) => Promise<void>
  /** Called once, before the results of what failed. */
  failed: (error: Error) => void
}

/** What one cursor wants to be committed. */
export interface WriterEntry {
  cursor: Cursor
  records: readonly AppendRecord[]
  /** Events that have ended once the records are durable. */
  ended: readonly LogRecord[]
  /** In a transaction of its own, so that a refusal costs nobody else. */
  alone: boolean
}

interface Entry extends WriterEntry {
  resolve: (results: AppendResult[]) => void
}

const MAX_TRANSACTION_RECORDS = 5_000

export class PartitionWriter {
  readonly #options: PartitionWriterOptions
  #queue: Entry[] = []
  #isRunning = false
  #failure: Error | undefined

  constructor(options: PartitionWriterOptions) {
    this.#options = options
  }

  /** Never rejects; the events have ended when every result is `ok`. */
  write(entry: WriterEntry): Promise<AppendResult[]> {
    const { failure } = this
    if (failure !== undefined) return Promise.resolve(refusals(entry.records, failure))
    return new Promise((resolve) => {
      this.#queue.push({ ...entry, resolve })
      if (!this.#isRunning) void this.#run()
    })
  }

  /** Commits a cursor's progress that has no output. Never rejects. */
  async commit(cursor: Cursor): Promise<void> {
    await this.write({ cursor, records: [], ended: [], alone: false })
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  async close(): Promise<void> {
    this.#failure ??= new MillraceError(
      'FN_BROKER_STALE_EPOCH',
      'the partition was given up; its new owner handles these events again',
    )
    this.#refuseAll(this.#failure)
    await this.#options.transactor.close()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // What else comes in this turn of the loop joins the first transaction.
    await Promise.resolve()
    while (this.#queue.length > 0 && this.#failure === undefined) {
      const entries = this.#take()
      try {
        await this.#transact(entries)
      } catch (error) {
        this.#fail(entries, error instanceof Error ? error : new Error(String(error)))
      }
    }
    this.#isRunning = false
  }

  #take(): Entry[] {
    let count = 0
    let records = 0
    while (count < this.#queue.length && records < MAX_TRANSACTION_RECORDS) {
      const entry = this.#queue[count] as Entry
      if (entry.alone && count > 0) break
      records += entry.records.length
      count++
      if (entry.alone) break
    }
    return this.#queue.splice(0, count)
  }

  async #transact(taken: readonly Entry[]): Promise<void> {
    await this.#options.ensureTopics(taken.flatMap((entry) => entry.records))
    const entries = taken.filter(isWanted)
    if (entries.length === 0) return
    const records = entries.flatMap((entry) => entry.records)
    // Taken after every wait: the watermarks go on until the transaction is on its way.
    const progress = progressAfter(entries)
    const { transactor, fence } = this.#options
    const results = await transactor.transact({
      records,
      commits: commitsOf(progress),
      fence: fence(),
    })
    for (const [cursor, reached] of progress) {
      cursor.committed = reached
      cursor.committedAt = Date.now()
    }
    let at = 0
    for (const { cursor, records: own, ended, resolve } of entries) {
      // At once: the next transaction must not take them for unfinished.
      for (const { offset } of ended) cursor.watermark.finish(offset)
      resolve(results.slice(at, at + own.length))
      at += own.length
    }
  }

  #fail(entries: readonly Entry[], error: Error): void {
    this.#failure ??= error
    this.#options.failed(error)
    for (const { records, resolve } of entries) resolve(refusals(records, error))
    this.#refuseAll(error)
  }

  #refuseAll(error: Error): void {
    const queue = this.#queue
    this.#queue = []
    for (const { records, resolve } of queue) resolve(refusals(records, error))
  }
}

/** What was withdrawn begins again from what is committed by now, and must not change that. */
function isWanted({ cursor, records, resolve }: Entry): boolean {
  if (!cursor.closed) return true
  resolve(
    refusals(records, new MillraceError('FN_BROKER_STALE_EPOCH', 'the trigger was withdrawn')),
  )
  return false
}

function progressAfter(entries: readonly Entry[]): Map<Cursor, Progress> {
  const ended = new Map<Cursor, Set<number>>()
  for (const entry of entries) {
    const offsets = ended.get(entry.cursor) ?? new Set()
    for (const { offset } of entry.ended) offsets.add(offset)
    ended.set(entry.cursor, offsets)
  }
  const progress = new Map<Cursor, Progress>()
  for (const [cursor, offsets] of ended) {
    const { truncated, ...reached } = cursor.watermark.progress(offsets)
    if (truncated) throw tooScattered(cursor)
    progress.set(cursor, reached)
  }
  return progress
}

function commitsOf(progress: ReadonlyMap<Cursor, Progress>): GroupCommit[] {
  const byGroup = new Map<string, OffsetCommit[]>()
  for (const [{ trigger, topic, partition }, reached] of progress) {
    const offsets = byGroup.get(trigger.group) ?? []
    offsets.push({ topic, partition, ...reached })
    byGroup.set(trigger.group, offsets)
  }
  return [...byGroup].map(([group, offsets]) => ({ group, offsets }))
}

/** A window stops reading long before; see `Watermark.isFull`. */
function tooScattered({ trigger, topic, partition }: Cursor): MillraceError {
  return new MillraceError(
    'FN_BROKER_TRANSACTION_FAILED',
    `what ${trigger.group} has finished in ${topic}/${partition} does not fit into a commit's metadata`,
  )
}

function refusals(records: readonly AppendRecord[], error: Error): AppendResult[] {
  return records.map(({ topic }) => ({ ok: false, topic, error }))
}
