/** Records straight into the broker's topic, with a client that is not ours, idempotent. */
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { partitionOf } from '../../runtime/broker/partitioner.ts'
import { cloudEventOf, type MadeEvent } from './load-events.ts'
import type { Sender } from './sender.ts'

const RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 1_000 }

export interface KafkaTarget {
  bootstrap: readonly string[]
  topic: string
  partitions: number
}

export function kafkaSender({ bootstrap, topic, partitions }: KafkaTarget): Sender {
  const kafka = new Kafka({
    clientId: 'faults-load',
    brokers: [...bootstrap],
    logLevel: logLevel.NOTHING,
    retry: RETRY,
  })
  const byPartition = (events: readonly MadeEvent[]): Message[][] => {
    const messages = events.map((event) => messageOf(event, partitions))
    return [...Map.groupBy(messages, ({ partition }) => partition).values()]
  }
  let connected: Promise<Producer> | undefined
  return {
    async send(events) {
      connected ??= connect(kafka)
      try {
        const producer = await connected
        // One partition at a time: when a leader moves to a broker that has answered already, kafkajs takes
        // that answer for the moved partition's, and its records are lost.
        for (const messages of byPartition(events))
          await producer.send({ topic, acks: -1, messages })
        return { fate: 'accepted' }
      } catch (error) {
        // What an idempotent producer cannot repair itself ends its session.
        const broken = connected
        connected = undefined
        await broken.then((producer) => producer.disconnect()).catch(() => undefined)
        return { fate: 'unsure', reason: String(error) }
      }
    },
    close: async () => (await connected)?.disconnect(),
  }
}

async function connect(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    retry: RETRY,
  })
  await producer.connect()
  return producer
}

interface Message {
  key: string
  partition: number
  value: string
  headers: Record<string, string>
}

function messageOf(event: MadeEvent, partitions: number): Message {
  const { attributes, data } = cloudEventOf(event)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    headers[name === 'datacontenttype' ? 'content-type' : `ce_${name}`] = value
  }
  const partition = partitionOf(event.key, partitions)
  return { key: event.key, partition, value: JSON.stringify(data), headers }
}
