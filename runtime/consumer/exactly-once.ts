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
  type Transactor,
} from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import { MillraceError } from '../errors.ts'
import { backOff } from '../backoff.ts'
import { hasMoved } from './commits.ts'
import type { Cursor } from './cursor.ts'
import { eachLimited } from './limited.ts'
import {
  PartitionWriter,
  type PartitionWriterOptions,
  type WriterEntry,
} from './partition-writer.ts'
import { refuseMembers, type StartLog } from './starting-points.ts'
import type { Transactors } from './transactors.ts'

export interface ExactlyOnceOptions extends Pick<PartitionWriterOptions, 'fence' | 'ensureTopics'> {
  at: TopicPartition
  broker: Broker
  transactors: Transactors
  transactionalId: string
  /** Those that the transactions are for. */
  cursors: () => Iterable<Cursor>
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
const GROUPS_AT_ONCE = 8

export class ExactlyOnce {
  readonly #options: ExactlyOnceOptions
  #writer: PartitionWriter | undefined
  #startLog: StartLog | undefined
  #trouble: string | undefined
  #hasBegun = false
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

  /** Takes the partition over where that has not begun, until it succeeds; false where it has. */
  async begin(): Promise<boolean> {
    if (this.#hasBegun) return false
    try {
      await this.takeOver()
    } catch (error) {
      if (!this.#options.stop.aborted) this.#again(error as Error)
    }
    return true
  }

  async takeOver(): Promise<void> {
    this.#hasBegun = true
    const { transactors, transactionalId, fence, ensureTopics, restart, stop } = this.#options
    const transactor = await transactors.open(transactionalId, () => this.#assertUnmoved())
    const writer: PartitionWriter = new PartitionWriter({
      transactor,
      fence,
      ensureTopics,
      failed: (error) => {
        if (this.#writer === writer && !stop.aborted) this.#again(error)
      },
    })
    if (stop.aborted) return writer.close() // given up while it was being opened
    this.#writer = writer
    const log = this.#logOf(writer, transactor)
    try {
      await restart(log)
    } catch (error) {
      // What was started already may have failed meanwhile: then it has begun anew.
      if (this.#writer === writer) throw error
    }
    if (this.#writer !== writer) return
    transactor.settle()
    this.#startLog = log
    this.#openedAt = Date.now()
    this.#trouble = undefined
  }

  write(entry: WriterEntry): Promise<AppendResult[]> {
    if (this.#writer !== undefined) return this.#writer.write(entry)
    // Its cursor was withdrawn in the meantime, and its events run again.
    const error = takenOver()
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

  /** Resolves when no transaction that is under way holds anything more of these, which are closed. */
  async settled([cursor]: readonly Cursor[]): Promise<void> {
    // They are worked off in order, and of a closed cursor nothing is written.
    if (cursor !== undefined) await this.#writer?.commit(cursor)
  }

  async close(): Promise<void> {
    await this.#writer?.close()
  }

  #logOf(writer: PartitionWriter, transactor: Transactor): StartLog {
    const { broker } = this.#options
    /** Nothing starts at a place that was found with a writer that is of no more use. */
    const assertCurrent = (): void => {
      if (this.#writer !== writer) throw takenOver()
    }
    return {
      topics: (names) => broker.topics(names),
      ranges: (partitions) => broker.ranges(partitions),
      committed: async (group, partitions) => {
        const found = await broker.committed(group, partitions, { stable: true })
        assertCurrent()
        return found
      },
      commit: async (group, offsets) => {
        await refuseMembers(broker, group)
        // Without a fence: a new group's start is written for all partitions, also those of others.
        await transactor.transact({ records: [], commits: [{ group, offsets }] })
        assertCurrent()
      },
    }
  }

  /** Rejects if somebody else committed while the transactional id was not open here. */
  async #assertUnmoved(): Promise<void> {
    const { broker, at, cursors } = this.#options
    const own = [...cursors()].filter(({ closed, trouble }) => !closed && trouble === undefined)
    const byGroup = Map.groupBy(own, ({ trigger }) => trigger.group)
    await eachLimited(byGroup, GROUPS_AT_ONCE, async ([group, members]) => {
      const places = members.map(({ topic, partition }) => ({ topic, partition }))
      const found = await broker.committed(group, places, { stable: true })
      for (const { topic, partition, committed } of members) {
        const now = found.find((one) => one.topic === topic && one.partition === partition)
        if (now?.offset === undefined) continue // nobody has committed anything
        const { offset, metadata } = committed
        if (now.offset === offset && now.metadata === metadata) continue
        throw new MillraceError(
          'FN_BROKER_FENCED',
          `${partitionKey(at)} had another owner: ${group} stands at ${now.offset}, and not at ${offset}`,
        )
      }
    })
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
          if (stop.aborted) return
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

function takenOver(): MillraceError {
  return new MillraceError('FN_BROKER_FENCED', 'the partition is being taken over')
}
