/** Records straight into the broker's topic, with a client that is not ours, idempotent. */
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import { cloudEventOf, type MadeEvent } from './load-events.ts'
import type { Sender } from './sender.ts'

const RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 1_000 }

export function kafkaSender(bootstrap: readonly string[], topic: string): Sender {
  const kafka = new Kafka({
    clientId: 'faults-load',
    brokers: [...bootstrap],
    logLevel: logLevel.NOTHING,
    retry: RETRY,
  })
  let connected: Promise<Producer> | undefined
  return {
    async send(events) {
      connected ??= connect(kafka)
      try {
        const producer = await connected
        await producer.send({ topic, acks: -1, messages: events.map(messageOf) })
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
    createPartitioner: Partitioners.DefaultPartitioner,
    retry: RETRY,
  })
  await producer.connect()
  return producer
}

function messageOf(event: MadeEvent): {
  key: string
  value: string
  headers: Record<string, string>
} {
  const { attributes, data } = cloudEventOf(event)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    headers[name === 'datacontenttype' ? 'content-type' : `ce_${name}`] = value
  }
  return { key: event.key, value: JSON.stringify(data), headers }
}
