/**
 * What members of a group tell each other, in Kafka's own consumer protocol (ConsumerProtocolSubscription
 * version 2, ConsumerProtocolAssignment version 0), so that Kafka's tools can show it.
 */
import { Reader, Writer } from '@platformatic/kafka'
import type { TopicPartition } from '../../contract/broker.ts'

export const PROTOCOL_TYPE = 'consumer'
/** Members with another assignor cannot join the group: they would not keep what stays. */
export const PROTOCOL_NAME = 'millrace-sticky'

const SUBSCRIPTION_VERSION = 2
const ASSIGNMENT_VERSION = 0

export interface Subscription {
  topics: string[]
  owned: TopicPartition[]
  /** The generation in which `owned` was assigned; -1 for none. */
  generation: number
}

export function encodeSubscription({ topics, owned, generation }: Subscription): Buffer {
  return withPartitions(
    Writer.create()
      .appendInt16(SUBSCRIPTION_VERSION)
      .appendArray(topics, (w, topic) => w.appendString(topic, false), false, false)
      .appendBytes(null, false),
    owned,
  ).appendInt32(generation).buffer
}

export function decodeSubscription(bytes: Buffer): Subscription {
  const reader = Reader.from(bytes)
  const version = reader.readInt16()
  const topics = reader.readArray((r) => r.readString(false), false, false)
  reader.readNullableBytes(false)
  const owned = version >= 1 ? readPartitions(reader) : []
  const generation = version >= 2 ? reader.readInt32() : -1
  return { topics, owned, generation }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return withPartitions(Writer.create().appendInt16(ASSIGNMENT_VERSION), partitions).appendBytes(
    null,
    false,
  ).buffer
}

/** An empty answer of the broker is an empty assignment. */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  if (bytes.length === 0) return []
  const reader = Reader.from(bytes)
  reader.readInt16()
  return readPartitions(reader)
}

function withPartitions(writer: Writer, partitions: readonly TopicPartition[]): Writer {
  const topics = [...Map.groupBy(partitions, (at) => at.topic)]
  return writer.appendArray(
    topics,
    (w, [topic, each]) => {
      w.appendString(topic, false).appendArray(
        each,
        (p, { partition }) => p.appendInt32(partition),
        false,
        false,
      )
    },
    false,
    false,
  )
}

function readPartitions(reader: Reader): TopicPartition[] {
  const partitions: TopicPartition[] = []
  reader.readArray(
    (r) => {
      const topic = r.readString(false)
      r.readArray((p) => partitions.push({ topic, partition: p.readInt32() }), false, false)
    },
    false,
    false,
  )
  return partitions
}
