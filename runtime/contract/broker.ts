/**
 * The broker contract: a durable, partitioned log of records. Two drivers implement it
 * (`runtime/broker/kafka`, `runtime/broker/embedded`) and one contract suite holds both to it
 * (`test/support/broker-contract.ts`).
 *
 * Offsets are numbers: 2^53 records in one partition are out of reach.
 */

export type Bytes = Buffer | string

/** A record to be written. Strings are written as UTF-8. */
export interface AppendRecord {
  topic: string
  /** The record key as consumers see it; `null` for none. */
  key: Bytes | null
  /** `null` is a record without a value, which is a valid event without data. */
  value: Bytes | null
  headers: ReadonlyArray<readonly [name: Bytes, value: Bytes | null]>
  /**
   * The text whose murmur2 hash chooses the partition (Kafka's default partitioner over its UTF-8
   * bytes), or the number of the partition. It need not be the key: an event without a partition key
   * is hashed by source and id, so that a resent event meets its original.
   */
  partitionBy: Bytes | number
  /** Milliseconds since the epoch. Default: now. */
  timestamp?: number
}

/** What became of one appended record: its place, or why it is not known to be durable. */
export type AppendResult =
  | { ok: true; topic: string; partition: number; offset: number }
  | { ok: false; topic: string; error: Error }

/** A record as read. */
export interface LogRecord {
  offset: number
  /** Milliseconds since the epoch. */
  timestamp: number
  key: Buffer | null
  value: Buffer | null
  headers: ReadonlyArray<readonly [name: Buffer, value: Buffer | null]>
}

export interface ReadBatch {
  records: LogRecord[]
  /** Where to read on. May lie beyond the last record: markers and compacted offsets hold no record. */
  next: number
  /** First offset the log still holds. */
  start: number
  /** One past the last readable offset, at the time of the answer. */
  end: number
}

export interface ReadOptions {
  /** At most about this many bytes of records; at least one record comes if there is one. Default 1 MiB. */
  maxBytes?: number
  /** How long to wait for a first record, in milliseconds. Default 0: answer at once. */
  waitMs?: number
  /** An aborted read rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface TopicPartition {
  topic: string
  partition: number
}

export interface TopicInfo {
  topic: string
  partitions: number
}

export interface TopicOptions {
  /** Number of partitions when the topic is made. Default: the broker's own default. */
  partitions?: number
  replicationFactor?: number
  /** Topic configuration in Kafka's own names: `retention.ms`, `cleanup.policy`, … */
  config?: Record<string, string>
}

export interface OffsetCommit extends TopicPartition {
  /** The next offset to be processed, as Kafka counts. */
  offset: number
  /** At most 4,000 bytes. Default ''. */
  metadata?: string
}

export interface CommittedOffset extends TopicPartition {
  /** `undefined`: this group never committed for this partition. */
  offset: number | undefined
  metadata: string
}

export interface PartitionRange extends TopicPartition {
  start: number
  end: number
}

/** A partition that this process owns. The epoch is new each time the ownership is gained. */
export interface Assignment extends TopicPartition {
  epoch: number
}

export interface MembershipListener {
  /**
   * The group is about to move partitions. Finish or park what runs and commit: the driver waits for
   * the promise, `deadlineMs` at most, before it gives up any partition. Commits made here still count.
   */
  rebalancing(deadlineMs: number): Promise<void>
  /** What is owned from now on, whole. A partition that stayed keeps its epoch. */
  assigned(assignments: readonly Assignment[]): void
  /** The ownership is already gone (session lost): results in flight must be discarded. */
  lost(assignments: readonly Assignment[]): void
  /** The membership has failed for good and has to be joined again. */
  failed(error: Error): void
}

export interface JoinOptions {
  group: string
  topics: readonly string[]
  listener: MembershipListener
  /** Default 10,000 ms. */
  sessionTimeoutMs?: number
  /** How long `rebalancing` may take. Default 30,000 ms. */
  rebalanceTimeoutMs?: number
}

/** One process's part in a group that decides who owns which partition. */
export interface Membership {
  readonly memberId: string
  assignments(): readonly Assignment[]
  /**
   * Asks for partitions of these topics from now on, instead of those before; resolves with the assignment
   * that follows from it, or with the end of the membership. On Kafka the group forms anew for it, so that
   * `rebalancing` comes before.
   */
  subscribe(topics: readonly string[]): Promise<void>
  /** Gives every partition back and leaves. Commit before calling it. Idempotent. */
  leave(): Promise<void>
}

export interface CommitOptions {
  /**
   * Refuse the commit (`FN_BROKER_STALE_EPOCH`) unless this membership is alive and still owns every
   * partition of `epochs` in that epoch. They are what the commit follows from: the offsets may be
   * another topic's, and the group committed to is another one, without members.
   */
  fence?: { membership: Membership; epochs: ReadonlyMap<string, number> }
}

/** Offsets for one group, in a transaction. */
export interface GroupCommit {
  group: string
  offsets: readonly OffsetCommit[]
}

/** What becomes visible together, or not at all. */
export interface Transaction {
  records: readonly AppendRecord[]
  commits?: readonly GroupCommit[]
  /**
   * As in `CommitOptions`, for the partitions of `commits`. In the membership's own group the commit also
   * carries its generation. Without a fence, Kafka takes offsets for a group that has members, too.
   */
  fence?: CommitOptions['fence']
  /**
   * Write nothing (`FN_BROKER_CONFLICT`) unless each partition still ends where it did when the writer
   * looked, so that two writers who read, decide and write do not both decide on the same state. What is
   * written and not readable yet counts as well. To be safe against each other, they share an id.
   */
  expect?: ReadonlyArray<TopicPartition & { end: number }>
}

export interface TransactorOptions {
  /**
   * The transactional id. Opening it ends what a former owner of the id had open and fences that owner:
   * whatever it still sends is refused with `FN_BROKER_FENCED`.
   */
  id: string
  /** The log itself ends a transaction that is open for longer. Default 60,000 ms. */
  timeoutMs?: number
}

/** A writer of transactions, one after another; further calls queue. */
export interface Transactor {
  readonly id: string
  /**
   * Resolves when the transaction is committed, with the places of its records in their order; readers
   * may see it a moment later, one partition after the other. After a rejection other than
   * `FN_BROKER_CONFLICT` the transactor takes nothing more: what became of the transaction tells another
   * one of the same id, followed by `committed` with `stable`. After `FN_BROKER_FENCED` and
   * `FN_BROKER_TRANSACTION_FAILED` it may be committed; after other codes it is not.
   */
  transact(transaction: Transaction): Promise<Array<Extract<AppendResult, { ok: true }>>>
  /** Ends what is open. Idempotent, bounded in time. */
  close(): Promise<void>
}

export interface CommittedOptions {
  /**
   * Wait for the end of transactions that are about to commit offsets of these partitions; rejects with
   * `FN_BROKER_UNAVAILABLE` when one stays open. Not for use inside such a transaction. Default false.
   */
  stable?: boolean
}

export interface Broker {
  readonly driver: 'kafka' | 'embedded'

  /** Makes the topic unless it is there. An existing topic is left as it is. */
  ensureTopic(topic: string, options?: TopicOptions): Promise<TopicInfo>
  /** The named topics, or all; missing ones are left out. */
  topics(names?: readonly string[]): Promise<TopicInfo[]>

  /**
   * Resolves when the fate of every record is known, one result a record in the same order. Records of
   * one partition keep their order. Never rejects: look at the results (or use `appendAll`).
   */
  append(records: readonly AppendRecord[]): Promise<AppendResult[]>

  /**
   * Reads from any position, without a group. Rejects with `FN_BROKER_OFFSET_OUT_OF_RANGE` when `from`
   * is below the start or above the end of the log: positions never move silently.
   */
  read(at: TopicPartition, from: number, options?: ReadOptions): Promise<ReadBatch>

  join(options: JoinOptions): Promise<Membership>

  commit(group: string, offsets: readonly OffsetCommit[], options?: CommitOptions): Promise<void>
  committed(
    group: string,
    partitions: readonly TopicPartition[],
    options?: CommittedOptions,
  ): Promise<CommittedOffset[]>

  /** Whether somebody is a member of the group. A transaction's commits are not refused for it. */
  hasMembers(group: string): Promise<boolean>

  /** Resolves once a former owner of the id can write nothing more. */
  transactor(options: TransactorOptions): Promise<Transactor>

  /** First and end offset of each partition. */
  ranges(partitions: readonly TopicPartition[]): Promise<PartitionRange[]>
  /** For each partition the first offset whose record is at or after `timeMs`, or the end. */
  offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<OffsetCommit[]>

  /** Undefined while the log answers; the reason while it does not. For `/readyz`. */
  trouble(): string | undefined
  /** Idempotent, bounded in time. */
  close(): Promise<void>
}

/** The key of a topic partition in maps and in `CommitOptions.fence.epochs`. */
export function partitionKey(at: TopicPartition): string {
  return `${at.topic}/${at.partition}`
}

/** Appends all or throws the first error. */
export async function appendAll(
  broker: Pick<Broker, 'append'>,
  records: readonly AppendRecord[],
): Promise<Array<Extract<AppendResult, { ok: true }>>> {
  const results = await broker.append(records)
  return results.map((result) => {
    if (!result.ok) throw result.error
    return result
  })
}
