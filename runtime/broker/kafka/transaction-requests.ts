/**
 * The requests of a transactional id, one try each: they throw `Transient` where the same request may be
 * sent again. All of them are idempotent for one producer id and epoch. The versions are those of Kafka
 * 3.0, so before transaction protocol 2 (KIP-890), where an epoch lasts for one transaction only.
 */
import {
  addOffsetsToTxnV3,
  addPartitionsToTxnV3,
  endTxnV3,
  initProducerIdV4,
  txnOffsetCommitV3,
  type API,
} from '@platformatic/kafka'
import { partitionKey } from '../../contract/broker.ts'
import type { GroupCommit, TopicPartition } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { fenced } from '../transaction-errors.ts'
import { refusal, unknownTopic, type Cluster } from './cluster.ts'
import type { Coordinated } from './coordinators.ts'
import { REQUEST_TIMEOUT_MS, type Connections, type Lane } from './connections.ts'
import { commitRefusal, requestTopics, type GroupMember } from './group-offsets.ts'
import { produceApi, type ProduceAnswer, type ProducePartition } from './produce-api.ts'
import {
  CODE,
  codeName,
  isFenced,
  isStaleCoordinator,
  isStaleLeader,
  isTransient,
} from './protocol-codes.ts'
import type { ProducerIdentity } from './record-encoder.ts'
import { Transient } from './transient.ts'

/** Not tried, because another partition of the request failed. */
const OPERATION_NOT_ATTEMPTED = 55
/**
 * The coordinator says so when another owner opens the id while a commit is being written, and it then
 * may be committed or not: asked again, it has a definite answer.
 */
const UNKNOWN_SERVER_ERROR = -1

export class TransactionRequests {
  readonly id: string
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #lane: Lane

  constructor(id: string, parts: { cluster: Cluster; connections: Connections; lane: Lane }) {
    this.id = id
    this.#cluster = parts.cluster
    this.#connections = parts.connections
    this.#lane = parts.lane
  }

  /** Ends what a former owner of the id has open, and gives an epoch that fences it. */
  async init(timeoutMs: number): Promise<ProducerIdentity> {
    const answer = await this.#ask(
      'transaction',
      this.id,
      // With any other producer id and epoch it would be a former owner that asks, and be fenced.
      initProducerIdV4.api,
      this.id,
      timeoutMs,
      -1n,
      -1,
    )
    const { errorCode, producerId, producerEpoch } = answer
    if (mayPass(errorCode)) throw this.#transient('open it', errorCode)
    if (errorCode !== CODE.none) throw refusal(errorCode, `open the transactional id ${this.id}`)
    return { id: producerId, epoch: producerEpoch, transactional: true }
  }

  async addPartitions(
    producer: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const topics = [...Map.groupBy(partitions, (at) => at.topic)].map(([name, each]) => ({
      name,
      partitions: each.map(({ partition }) => partition),
    }))
    const transaction = {
      transactionalId: this.id,
      producerId: producer.id,
      producerEpoch: producer.epoch,
      verifyOnly: false,
      topics,
    }
    const api = addPartitionsToTxnV3.api
    const answer = await this.#ask('transaction', this.id, api, [transaction])
    const codes = new Map<string, number>()
    for (const { name, resultsByPartition } of answer.resultsByTransaction[0]?.topicResults ?? []) {
      for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
        codes.set(partitionKey({ topic: name, partition: partitionIndex }), partitionErrorCode)
      }
    }
    const refused = partitions.find((at) => isRefused(codes.get(partitionKey(at))))
    const unnamed = partitions.find((at) => codes.get(partitionKey(at)) !== CODE.none)
    const at = refused ?? unnamed
    if (at === undefined) return
    const code = codes.get(partitionKey(at)) ?? OPERATION_NOT_ATTEMPTED
    if (code === CODE.unknownTopicOrPartition) throw unknownTopic(at.topic)
    this.#judge(code, `take ${partitionKey(at)} into it`)
  }

  /** Which of the batches are in the log, and from which offset on. */
  async produce(node: number, batches: ProducePartition[]): Promise<Array<number | undefined>> {
    const timeoutMs = REQUEST_TIMEOUT_MS - 1_000
    let answers: ProduceAnswer[]
    try {
      answers = await this.#cluster.ask(this.#lane, node, produceApi, batches, timeoutMs, this.id)
    } catch (error) {
      for (const batch of batches) this.#cluster.forgetLeader(batch)
      throw error
    }
    return batches.map((batch) => {
      const answer = answers.find(
        ({ topic, partition }) => topic === batch.topic && partition === batch.partition,
      )
      if (answer?.code === CODE.none) return answer.offset
      // An answer that does not name the partition says nothing about it.
      const code = answer?.code ?? CODE.leaderNotAvailable
      if (isStaleLeader(code)) this.#cluster.forgetLeader(batch)
      if (!isTransient(code)) this.#judge(code, `write to ${partitionKey(batch)}`)
      return undefined
    })
  }

  async addOffsets(producer: ProducerIdentity, group: string): Promise<void> {
    const answer = await this.#ask(
      'transaction',
      this.id,
      addOffsetsToTxnV3.api,
      this.id,
      producer.id,
      producer.epoch,
      group,
    )
    this.#judge(answer.errorCode, `take the offsets of the group ${group} into it`)
  }

  /**
   * With a member, a group takes offsets of its generation only. Without one (generation -1) it takes
   * them also while it has members, unlike OffsetCommit: nothing tells that a dispatcher runs in it.
   */
  async commitOffsets(
    producer: ProducerIdentity,
    { group, offsets }: GroupCommit,
    member: GroupMember,
  ): Promise<void> {
    const answer = await this.#ask(
      'group',
      group,
      txnOffsetCommitV3.api,
      this.id,
      group,
      producer.id,
      producer.epoch,
      member.generation,
      member.memberId,
      null,
      requestTopics(offsets),
    )
    const codes = new Map<string, number>()
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        codes.set(partitionKey({ topic: name, partition: partitionIndex }), errorCode)
      }
    }
    for (const at of offsets) {
      const code = codes.get(partitionKey(at)) ?? CODE.coordinatorNotAvailable
      if (code === CODE.none) continue
      if (isFenced(code)) throw fenced(this.id, { kafkaCode: code })
      if (isStaleCoordinator(code)) this.#cluster.forgetCoordinator(group)
      if (code !== CODE.unknownTopicOrPartition && isTransient(code)) {
        throw this.#transient(`commit ${partitionKey(at)} for the group ${group}`, code)
      }
      throw commitRefusal(code, { group, at, member })
    }
  }

  async end(producer: ProducerIdentity, committed: boolean): Promise<void> {
    const { id, epoch } = producer
    const api = endTxnV3.api
    const answer = await this.#ask('transaction', this.id, api, this.id, id, epoch, committed)
    this.#judge(answer.errorCode, committed ? 'commit it' : 'abort it')
  }

  /** Throws unless the code is none. */
  #judge(code: number, what: string): void {
    if (code === CODE.none) return
    if (isStaleCoordinator(code)) this.#cluster.forgetCoordinator(this.id, 'transaction')
    if (isFenced(code)) throw fenced(this.id, { kafkaCode: code })
    if (mayPass(code)) throw this.#transient(what, code)
    throw new MillraceError(
      'FN_BROKER_TRANSACTION_FAILED',
      `Kafka refused to go on with a transaction of ${this.id} and ${what}: ${codeName(code)}`,
      { detail: { id: this.id, kafkaCode: code } },
    )
  }

  #transient(what: string, code: number): Transient {
    if (isStaleCoordinator(code)) this.#cluster.forgetCoordinator(this.id, 'transaction')
    return new Transient(
      `Kafka is not ready for a transaction of ${this.id}, to ${what}: ${codeName(code)}`,
    )
  }

  async #ask<Args extends unknown[], Response>(
    kind: Coordinated,
    name: string,
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const address = await this.#cluster.coordinator(name, kind)
    try {
      return await this.#connections.call(this.#lane, address, api, ...args)
    } catch (error) {
      if (error instanceof Transient) this.#cluster.forgetCoordinator(name, kind)
      throw error
    }
  }
}

function mayPass(code: number): boolean {
  return isTransient(code) || code === OPERATION_NOT_ATTEMPTED || code === UNKNOWN_SERVER_ERROR
}

/** An answer about this partition, where others were only not tried. */
function isRefused(code: number | undefined): boolean {
  return code !== undefined && code !== CODE.none && code !== OPERATION_NOT_ATTEMPTED
}
