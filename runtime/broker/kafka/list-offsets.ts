/** First and end offsets, and offsets by time (ListOffsets). */
import { listOffsetsV7 } from '@platformatic/kafka'
import { partitionKey } from '../../contract/broker.ts'
import type { OffsetCommit, PartitionRange, TopicPartition } from '../../contract/broker.ts'
import { CONTROL, refusal, type Cluster } from './cluster.ts'
import { CODE, codeName, isStaleLeader, isTransient } from './protocol-codes.ts'
import { Transient, persist } from './transient.ts'

const NO_REPLICA = -1
const READ_UNCOMMITTED = 0
/** The end is then the last stable offset: what a reader of committed records can reach. */
const READ_COMMITTED = 1

interface Wanted {
  timestamp: bigint
  isolation: number
}

const EARLIEST: Wanted = { timestamp: -2n, isolation: READ_COMMITTED }
const LATEST: Wanted = { timestamp: -1n, isolation: READ_COMMITTED }
const LOG_END: Wanted = { timestamp: -1n, isolation: READ_UNCOMMITTED }

export class OffsetLister {
  readonly #cluster: Cluster
  readonly #closing: AbortSignal

  constructor(cluster: Cluster, closing: AbortSignal) {
    this.#cluster = cluster
    this.#closing = closing
  }

  async ranges(partitions: readonly TopicPartition[]): Promise<PartitionRange[]> {
    const [starts, ends] = await Promise.all([
      this.#list(partitions, EARLIEST),
      this.#list(partitions, LATEST),
    ])
    return partitions.map(({ topic, partition }, i) => {
      const start = starts[i] as number
      return { topic, partition, start, end: Math.max(start, ends[i] as number) }
    })
  }

  /** One past the last record that is written, also by a transaction that has not ended. */
  logEnds(partitions: readonly TopicPartition[]): Promise<number[]> {
    return this.#list(partitions, LOG_END)
  }

  async offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<OffsetCommit[]> {
    const timestamp = BigInt(Math.max(0, Math.ceil(timeMs)))
    const found = await this.#list(partitions, { timestamp, isolation: READ_COMMITTED })
    // Nothing at or after that time: the end.
    const missing = partitions.filter((_, i) => found[i] === -1)
    const ends = new Map(
      (missing.length === 0 ? [] : await this.#list(missing, LATEST)).map((end, i) => [
        partitionKey(missing[i] as TopicPartition),
        end,
      ]),
    )
    return partitions.map(({ topic, partition }, i) => {
      const offset = found[i] as number
      const end = ends.get(partitionKey({ topic, partition })) ?? 0
      return { topic, partition, offset: offset === -1 ? end : offset }
    })
  }

  #list(partitions: readonly TopicPartition[], wanted: Wanted): Promise<number[]> {
    return persist(() => this.#listOnce(partitions, wanted), { closing: this.#closing })
  }

  async #listOnce(partitions: readonly TopicPartition[], wanted: Wanted): Promise<number[]> {
    const leaders = await Promise.all(partitions.map((at) => this.#cluster.leader(at)))
    const nodes = new Set(leaders)
    const found = new Map<string, number>()
    await Promise.all(
      [...nodes].map((node) =>
        this.#listAt(
          node,
          partitions.filter((_, i) => leaders[i] === node),
          wanted,
          found,
        ),
      ),
    )
    return partitions.map((at) => {
      const offset = found.get(partitionKey(at))
      if (offset === undefined)
        throw new Transient(`Kafka's answer does not name ${partitionKey(at)}`)
      return offset
    })
  }

  async #listAt(
    node: number,
    partitions: readonly TopicPartition[],
    { timestamp, isolation }: Wanted,
    into: Map<string, number>,
  ): Promise<void> {
    const topics = [...Map.groupBy(partitions, (at) => at.topic)].map(([name, each]) => ({
      name,
      partitions: each.map(({ partition }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: -1,
        timestamp,
      })),
    }))
    const response = await this.#cluster.ask(
      CONTROL,
      node,
      listOffsetsV7.api,
      NO_REPLICA,
      isolation,
      topics,
    )
    for (const { name, partitions: answers } of response.topics) {
      for (const { partitionIndex, errorCode, offset } of answers) {
        const at = { topic: name, partition: partitionIndex }
        if (isStaleLeader(errorCode)) this.#cluster.forgetLeader(at)
        if (isTransient(errorCode)) {
          throw new Transient(
            `Kafka gives no offset of ${partitionKey(at)}: ${codeName(errorCode)}`,
          )
        }
        if (errorCode !== CODE.none) throw refusal(errorCode, `list offsets of ${partitionKey(at)}`)
        into.set(partitionKey(at), Number(offset))
      }
    }
  }
}
