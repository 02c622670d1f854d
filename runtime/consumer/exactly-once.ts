/**
 * The triggers of one owned partition whose output and progress are one transaction (`exactlyOnce`).
 *
 * Taking the partition over has an order: its transactional id is opened, which ends and fences what a
 * former owner had open; then the committed offsets are read, stable ones only; then the triggers start.
 * Whoever is fenced, or has any other failed transaction, goes through it again, so that every
 * transaction follows from what was committed when its writer was opened.
 */
import {
  partitionKey,
  type AppendResult,
  type Broker,
  type TopicPartition,
} from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import { MillraceError } from '../errors.ts'
import { backOff } from './backoff.ts'
import { hasMoved } from './commits.ts'
import type { Cursor } from './cursor.ts'
import {
  PartitionWriter,
  type PartitionWriterOptions,
  type WriterEntry,
} from './partition-writer.ts'
import { refuseMembers, type StartLog } from './starting-points.ts'

export interface ExactlyOnceOptions extends Pick<PartitionWriterOptions, 'fence' | 'ensureTopics'> {
  at: TopicPartition
  broker: Broker
  transactionalId: string
  /** Discards what the triggers have under way. */
  withdraw: () => void
  /** Starts them where `log` says; what it commits is part of a transaction. */
  restart: (log: StartLog) => Promise<void>
  log: Logger
  /** The partition is given up. */
  stop: AbortSignal
}

/** After so long without a failed transaction the next one is a first one. */
const CALM_MS = 10_000

export class ExactlyOnce {
  readonly #options: ExactlyOnceOptions
  #writer: PartitionWriter | undefined
  #startLog: StartLog | undefined
  #trouble: string | undefined
  /** Openings of the writer without calm between them, and when the last one was. */
  #turn = 0
  #openedAt = 0

  constructor(options: ExactlyOnceOptions) {
    this.#options = options
  }

  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Reads and commits places in transactions; undefined while the partition is being taken over. */
  get startLog(): StartLog | undefined {
    return this.#startLog
  }

  async takeOver(): Promise<void> {
    const { broker, transactionalId, fence, ensureTopics, restart } = this.#options
    const transactor = await broker.transactor({ id: transactionalId })
    const writer: PartitionWriter = new PartitionWriter({
      transactor,
      fence,
      ensureTopics,
      failed: (error) => {
        if (this.#writer === writer && !this.#options.stop.aborted) this.#again(error)
      },
    })
    this.#writer = writer
    const startLog: StartLog = {
      topics: (names) => broker.topics(names),
      ranges: (partitions) => broker.ranges(partitions),
      committed: (group, partitions) => broker.committed(group, partitions, { stable: true }),
      commit: async (group, offsets) => {
        await refuseMembers(broker, group)
        // Without a fence: a new group's start is written for all partitions, also those of others.
        await transactor.transact({ records: [], commits: [{ group, offsets }] })
      },
    }
    await restart(startLog)
    this.#startLog = startLog
    this.#openedAt = Date.now()
    this.#trouble = undefined
  }

  write(entry: WriterEntry): Promise<AppendResult[]> {
    if (this.#writer !== undefined) return this.#writer.write(entry)
    // Its cursor was withdrawn in the meantime, and its events run again.
    const error = new MillraceError('FN_BROKER_FENCED', 'the partition is being taken over')
    return Promise.resolve(entry.records.map(({ topic }) => ({ ok: false, topic, error })))
  }

  /** Commits progress that no output has carried along. Never rejects. */
  async commit(cursors: Iterable<Cursor>): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) return
    const moved = [...cursors].filter(
      (cursor) => cursor.trouble === undefined && !cursor.closed && hasMoved(cursor),
    )
    await Promise.all(moved.map((cursor) => writer.commit(cursor)))
  }

  async close(): Promise<void> {
    await this.#writer?.close()
  }

  /** A transaction failed, or somebody else opened the transactional id: everything from the log again. */
  #again(error: Error): void {
    const { at, log, stop } = this.#options
    const failed = this.#withdraw()
    this.#trouble = `${partitionKey(at)}: a transaction failed: ${error.message}`
    log.warn({ ...at, error: error.message }, 'a transaction failed; its events run again')
    if (Date.now() - this.#openedAt > CALM_MS) this.#turn = 0
    const again = async (): Promise<void> => {
      await failed?.close()
      while (!stop.aborted) {
        await backOff(this.#turn++, stop)
        if (stop.aborted) return
        try {
          return await this.takeOver()
        } catch (cause) {
          log.warn({ ...at, error: String(cause) }, 'the partition is not taken over yet')
          await this.#withdraw()?.close()
        }
      }
    }
    void again()
  }

  #withdraw(): PartitionWriter | undefined {
    const writer = this.#writer
    this.#writer = undefined
    this.#startLog = undefined
    this.#options.withdraw()
    return writer
  }
}
