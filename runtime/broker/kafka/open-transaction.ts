/**
 * One transaction on its way. Its requests go strictly one after another: calls at one time are lost or
 * refused inside a transaction. Each is sent again, the same, until it is answered or the time is over;
 * the last one, which commits, has no such time, so that a lost answer does not leave open what became
 * of the transaction.
 */
import { performance } from 'node:perf_hooks'
import { partitionKey } from '../../contract/broker.ts'
import type {
  AppendResult,
  GroupCommit,
  PartitionRange,
  Transaction,
} from '../../contract/broker.ts'
import { isMillraceError } from '../../errors.ts'
import { partitionOf } from '../partitioner.ts'
import { conflict } from '../transaction-errors.ts'
import type { Cluster } from './cluster.ts'
import { NO_MEMBER, checkMetadata, kafkaMembership } from './group-offsets.ts'
import type { GroupMember } from './group-offsets.ts'
import type { OffsetLister } from './list-offsets.ts'
import type { KafkaMembership } from './membership.ts'
import type { ProducerIdentity } from './record-encoder.ts'
import type { OutgoingBatch, PlacedRecords, TransactionBatches } from './transaction-batches.ts'
import type { TransactionRequests } from './transaction-requests.ts'
import { Transient, persist } from './transient.ts'

const MAX_REQUEST_BYTES = 8 * 1024 * 1024
const ABORT_DEADLINE_MS = 5_000
/** The transaction before is ended everywhere within milliseconds. */
const FIRST_PAUSE_MS = 2

export type Place = Extract<AppendResult, { ok: true }>

export interface OpenTransactionContext {
  cluster: Cluster
  lister: OffsetLister
  requests: TransactionRequests
  producer: ProducerIdentity
  batches: TransactionBatches
  closing: AbortSignal
  /** How long everything before the commit may take. */
  deadlineMs: number
}

export class OpenTransaction {
  readonly #transaction: Transaction
  readonly #commits: readonly GroupCommit[]
  readonly #context: OpenTransactionContext
  readonly #until: number
  readonly #places: Place[]
  #isBegun = false
  #isCommitting = false

  constructor(transaction: Transaction, context: OpenTransactionContext) {
    this.#transaction = transaction
    this.#commits = (transaction.commits ?? []).filter(({ offsets }) => offsets.length > 0)
    this.#context = context
    this.#until = performance.now() + context.deadlineMs
    this.#places = Array.from<Place>({ length: transaction.records.length })
  }

  /** The commit was asked for: only its answer tells whether it was done. */
  get isCommitting(): boolean {
    return this.#isCommitting
  }

  async perform(): Promise<Place[]> {
    const { requests, producer } = this.#context
    for (const { group, offsets } of this.#commits) {
      for (const each of offsets) checkMetadata(group, each)
    }
    const membership = this.#membership()
    await this.#assertOwned(membership)
    const placed = await this.#place()
    await this.#assertExpected()
    if (placed.length === 0 && this.#commits.length === 0) return []

    this.#isBegun = true
    if (placed.length > 0) {
      await this.#persist(() => requests.addPartitions(producer, placed))
      await this.#produce(placed)
    }
    for (const commit of this.#commits) await this.#commitOffsets(commit, membership)
    await this.#assertStillOwned(membership)
    this.#isCommitting = true
    await this.#persist(() => requests.end(producer, true), Infinity)
    return this.#places
  }

  /** Ends it without a trace, if it has begun and Kafka is there; never rejects. */
  async abort(cause: Error): Promise<void> {
    if (!this.#isBegun || isMillraceError(cause, 'FN_BROKER_FENCED')) return
    const { requests, producer } = this.#context
    await this.#persist(() => requests.end(producer, false), ABORT_DEADLINE_MS).catch(() => {
      // The broker aborts it when its timeout is over, or when the id is opened again.
    })
  }

  #membership(): KafkaMembership | undefined {
    const { fence } = this.#transaction
    return fence && kafkaMembership(fence.membership)
  }

  async #assertOwned(membership: KafkaMembership | undefined): Promise<void> {
    const { fence } = this.#transaction
    if (!membership || !fence) return
    const partitions = this.#commits.flatMap(({ offsets }) => offsets)
    await membership.assertOwned(partitions, fence.epochs)
  }

  /**
   * A membership's own group has judged the generation. Other groups know nothing of it, so it is asked
   * once more now that the offsets are there, pending: whoever becomes the owner from here on and reads
   * them stable waits for the end of this transaction.
   */
  async #assertStillOwned(membership: KafkaMembership | undefined): Promise<void> {
    if (this.#commits.some(({ group }) => group !== membership?.group)) {
      await this.#assertOwned(membership)
    }
  }

  async #place(): Promise<PlacedRecords[]> {
    const { records } = this.#transaction
    const { cluster } = this.#context
    const counts = new Map<string, number>()
    for (const topic of new Set(records.map((record) => record.topic))) {
      counts.set(topic, await this.#persist(() => cluster.partitions(topic)))
    }
    const placed = new Map<string, PlacedRecords>()
    for (const [index, { topic, partitionBy }] of records.entries()) {
      const partition = partitionOf(partitionBy, counts.get(topic) as number)
      const key = partitionKey({ topic, partition })
      const known = placed.get(key)
      if (known) known.indexes.push(index)
      else placed.set(key, { topic, partition, indexes: [index] })
    }
    return [...placed.values()]
  }

  /**
   * `ranges` ends where readers get to; here the log's own end is asked, which lies beyond it while a
   * transaction is open or its end is not written everywhere. So what a writer could not see yet is a
   * conflict too.
   */
  async #assertExpected(): Promise<void> {
    const { expect = [] } = this.#transaction
    if (expect.length === 0) return
    const ends = await this.#context.lister.logEnds(expect)
    for (const [i, { topic, partition, end }] of expect.entries()) {
      const found = ends[i] as PartitionRange['end']
      if (found !== end) throw conflict({ topic, partition }, end, found)
    }
  }

  async #produce(placed: readonly PlacedRecords[]): Promise<void> {
    const { records } = this.#transaction
    const queues = placed.map((each) => this.#context.batches.encode(records, each))
    while (queues.some((queue) => queue.length > 0)) {
      await this.#persist(() => this.#produceNext(queues))
    }
  }

  /** Sends the next batch of each partition. Throws `Transient` where one is not there for certain. */
  async #produceNext(queues: OutgoingBatch[][]): Promise<void> {
    const byNode = new Map<number, OutgoingBatch[][]>()
    for (const queue of queues) {
      if (queue[0] === undefined) continue
      const node = await this.#context.cluster.leader(queue[0])
      const others = byNode.get(node)
      if (others) others.push(queue)
      else byNode.set(node, [queue])
    }
    const missing: OutgoingBatch[] = []
    for (const [node, waiting] of byNode) {
      while (waiting.length > 0) missing.push(...(await this.#send(node, takeRequest(waiting))))
    }
    const [first] = missing
    if (first) throw new Transient(`Kafka has not confirmed the records for ${partitionKey(first)}`)
  }

  /** Resolves with the batches that have to be sent again. */
  async #send(node: number, queues: OutgoingBatch[][]): Promise<OutgoingBatch[]> {
    const batches = queues.map((queue) => queue[0] as OutgoingBatch)
    const offsets = await this.#context.requests.produce(node, batches)
    return batches.filter(({ topic, partition, indexes }, i) => {
      const offset = offsets[i]
      if (offset === undefined) return true
      for (const [n, index] of indexes.entries()) {
        this.#places[index] = { ok: true, topic, partition, offset: offset + n }
      }
      queues[i]?.shift()
      return false
    })
  }

  async #commitOffsets(
    commit: GroupCommit,
    membership: KafkaMembership | undefined,
  ): Promise<void> {
    const { requests, producer } = this.#context
    const isOwn = membership?.group === commit.group
    const member: GroupMember = isOwn ? membership.identity() : NO_MEMBER
    await this.#persist(() => requests.addOffsets(producer, commit.group))
    await this.#persist(() => requests.commitOffsets(producer, commit, member))
  }

  #persist<T>(
    attempt: () => Promise<T>,
    deadlineMs = Math.max(0, this.#until - performance.now()),
  ): Promise<T> {
    const { closing } = this.#context
    return persist(attempt, { closing, deadlineMs, firstPauseMs: FIRST_PAUSE_MS })
  }
}

/** Removes from the list, and returns, as many queues as one request carries. */
function takeRequest(queues: OutgoingBatch[][]): OutgoingBatch[][] {
  let bytes = 0
  let count = 0
  do bytes += sizeOf(queues[count++])
  while (count < queues.length && bytes + sizeOf(queues[count]) <= MAX_REQUEST_BYTES)
  return queues.splice(0, count)
}

function sizeOf(queue: readonly OutgoingBatch[] | undefined): number {
  return queue?.[0]?.batch.length ?? 0
}
