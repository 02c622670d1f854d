/** The embedded driver of the broker contract: a durable log in one directory, for one process. */
import type {
  AppendRecord,
  AppendResult,
  Broker,
  CommitOptions,
  CommittedOffset,
  CommittedOptions,
  JoinOptions,
  Membership,
  OffsetCommit,
  PartitionRange,
  ReadBatch,
  ReadOptions,
  TopicInfo,
  TopicOptions,
  TopicPartition,
  Transactor,
  TransactorOptions,
} from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { CommitRules } from './commit-rules.ts'
import { Coordinator } from './coordinator.ts'
import { GroupCommit } from './group-commit.ts'
import { Caretaker } from './caretaker.ts'
import type { OpenedLog } from './messages.ts'
import { DEFAULT_PARTITIONS, DEFAULT_RETENTION } from './options.ts'
import { checkTopicName, checkTopicOptions } from './options.ts'
import type { EmbeddedBrokerOptions } from './options.ts'
import { recordsOf } from './record-frame.ts'
import { LogThread } from './thread-client.ts'
import { TopicTable, moved, rangeOf } from './topic-table.ts'
import type { PartitionState } from './topic-table.ts'
import { EmbeddedTransactor } from './transactor.ts'

const DEFAULT_MAX_BYTES = 1 << 20
const CLOSE_DEADLINE_MS = 10_000

/**
 * Opens the log in `dir`. Rejects with `FN_BROKER_LOG_IN_USE` when another broker holds it, and with
 * `FN_BROKER_UNAVAILABLE` when the directory cannot be used.
 */
export async function createEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<Broker> {
  const thread = new LogThread()
  const { checkEveryMs, ...defaults } = { ...DEFAULT_RETENTION, ...options.retention }
  try {
    const opened = await thread.call('open', { dir: options.dir, ...defaults })
    return new EmbeddedBroker({ thread, opened, options, checkEveryMs })
  } catch (error) {
    await thread.end(0)
    throw error
  }
}

class EmbeddedBroker implements Broker {
  readonly driver = 'embedded'
  readonly #thread: LogThread
  readonly #topics = new TopicTable()
  readonly #writes: GroupCommit
  readonly #groups: Coordinator
  readonly #rules: CommitRules
  /** The last owner of each transactional id. */
  readonly #transactors = new Map<string, EmbeddedTransactor>()
  readonly #caretaker: Caretaker
  readonly #defaultPartitions: number
  readonly #dir: string
  #closing: Promise<void> | undefined

  constructor(parts: {
    thread: LogThread
    opened: OpenedLog
    options: EmbeddedBrokerOptions
    checkEveryMs: number
  }) {
    const { thread, opened, options, checkEveryMs } = parts
    const log = options.log ?? { warn: () => {} }
    const topics = this.#topics
    for (const topic of opened.topics) topics.add(topic)
    this.#dir = options.dir
    this.#thread = thread
    this.#defaultPartitions = options.partitions ?? DEFAULT_PARTITIONS
    this.#caretaker = new Caretaker({ thread, topics, checkEveryMs, log })
    this.#writes = new GroupCommit({
      thread,
      topics,
      onOutcome: (error) => this.#caretaker.written(error),
    })
    this.#groups = new Coordinator({
      generation: opened.generation,
      partitionsOf: (topic) => (topics.infoOf(topic) ? topics.partitionsOf(topic) : []),
      log,
    })
    this.#rules = new CommitRules(topics, this.#groups)
  }

  async ensureTopic(topic: string, options: TopicOptions = {}): Promise<TopicInfo> {
    this.#assertOpen()
    const existing = this.#topics.infoOf(topic)
    if (existing) return existing
    const partitions = options.partitions ?? this.#defaultPartitions
    checkTopicName(topic)
    checkTopicOptions(topic, partitions, options)
    const config = { ...options.config }
    const row = await this.#thread.call('ensureTopic', { topic, partitions, config })
    this.#topics.add(row)
    this.#groups.topicAdded(topic)
    return { topic, partitions: row.partitions.length }
  }

  async topics(names?: readonly string[]): Promise<TopicInfo[]> {
    this.#assertOpen()
    const infos = (names ?? this.#topics.names()).map((name) => this.#topics.infoOf(name))
    return infos.filter((info) => info !== undefined)
  }

  async append(records: readonly AppendRecord[]): Promise<AppendResult[]> {
    if (this.#closing) {
      const error = this.#closedError()
      return records.map(({ topic }) => ({ ok: false, topic, error }))
    }
    return this.#writes.append(records)
  }

  async read(at: TopicPartition, from: number, options: ReadOptions = {}): Promise<ReadBatch> {
    const { maxBytes = DEFAULT_MAX_BYTES, waitMs = 0, signal } = options
    this.#assertOpen()
    signal?.throwIfAborted()
    const state = this.#topics.at(at)
    assertInRange(state, from)
    if (from === state.end && waitMs > 0) {
      await moved(state, waitMs, signal)
      this.#assertOpen()
    }
    if (from === state.end) {
      return { records: [], next: from, start: state.start, end: state.end }
    }
    const batch = await this.#thread.call('read', { partitionId: state.id, from, maxBytes })
    signal?.throwIfAborted()
    this.#topics.moveStart(state.id, batch.start)
    if (!batch.frame) throw outOfRange(state, from)
    return {
      records: recordsOf(batch.frame),
      next: batch.next,
      start: batch.start,
      end: Math.max(state.end, batch.next),
    }
  }

  async join(options: JoinOptions): Promise<Membership> {
    this.#assertOpen()
    const membership = await this.#groups.join(options)
    this.#assertOpen()
    return membership
  }

  async commit(
    group: string,
    offsets: readonly OffsetCommit[],
    options: CommitOptions = {},
  ): Promise<void> {
    this.#assertOpen()
    this.#rules.assertAllowed({ group, offsets }, options)
    await this.#writes.commit(this.#rules.rowsOf({ group, offsets }))
  }

  async committed(
    group: string,
    partitions: readonly TopicPartition[],
    { stable = false }: CommittedOptions = {},
  ): Promise<CommittedOffset[]> {
    this.#assertOpen()
    const partitionIds = partitions.map((at) => this.#topics.at(at).id)
    if (stable) await this.#writes.settled()
    const rows = await this.#thread.call('committed', { group, partitionIds })
    return partitions.map(({ topic, partition }, i) => ({
      topic,
      partition,
      offset: rows[i]?.offset,
      metadata: rows[i]?.metadata ?? '',
    }))
  }

  async hasMembers(group: string): Promise<boolean> {
    this.#assertOpen()
    return this.#groups.hasMembers(group)
  }

  async transactor({ id }: TransactorOptions): Promise<Transactor> {
    this.#assertOpen()
    this.#transactors.get(id)?.fence()
    const transactor = new EmbeddedTransactor(id, {
      topics: this.#topics,
      writes: this.#writes,
      rules: this.#rules,
      assertOpen: () => this.#assertOpen(),
    })
    this.#transactors.set(id, transactor)
    // What the former owner has in a write already is still its own.
    await this.#writes.settled()
    this.#assertOpen()
    return transactor
  }

  async ranges(partitions: readonly TopicPartition[]): Promise<PartitionRange[]> {
    this.#assertOpen()
    return partitions.map((at) => rangeOf(this.#topics.at(at)))
  }

  async offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<OffsetCommit[]> {
    this.#assertOpen()
    const partitionIds = partitions.map((at) => this.#topics.at(at).id)
    const offsets = await this.#thread.call('offsetsAt', { partitionIds, timeMs })
    return partitions.map(({ topic, partition }, i) => ({
      topic,
      partition,
      offset: offsets[i] ?? this.#topics.at({ topic, partition }).end,
    }))
  }

  trouble(): string | undefined {
    if (this.#closing) return this.#closedError().message
    return this.#thread.failure?.message ?? this.#caretaker.trouble
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** What was asked before is still done; what is not done by the deadline fails. */
  async #close(): Promise<void> {
    this.#caretaker.stop()
    this.#groups.close()
    this.#topics.wakeAll()
    const closed = this.#writes.idle().then(() => this.#thread.call('close', {}))
    await this.#thread.end(CLOSE_DEADLINE_MS)
    await closed.catch(() => {
      // A thread that died before had nothing left to close.
    })
  }

  #assertOpen(): void {
    if (this.#closing) throw this.#closedError()
  }

  #closedError(): MillraceError {
    return new MillraceError(
      'FN_BROKER_CLOSED',
      `The embedded log in ${this.#dir} was closed; open it again to use it`,
    )
  }
}

function assertInRange(state: PartitionState, from: number): void {
  if (!(from >= state.start && from <= state.end)) throw outOfRange(state, from)
}

function outOfRange({ topic, partition, start, end }: PartitionState, from: number): MillraceError {
  return new MillraceError(
    'FN_BROKER_OFFSET_OUT_OF_RANGE',
    `${topic}/${partition} holds the offsets ${start} to ${end}, not ${from}. Choose a position in that range`,
    { detail: { from, start, end } },
  )
}
