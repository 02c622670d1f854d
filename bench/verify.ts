/** Reads a topic with kafkajs and holds every reply against what it has to be. */
import { Kafka, logLevel } from 'kafkajs'
import { expectedTotal, orderId } from './workload.ts'

const REPLY_TYPE = 'bench.orders.priced'

/** Rejects unless each of the `events` events has its one right reply, with the key of its cause. */
export async function verifyOutputs(
  bootstrap: string,
  topic: string,
  events: number,
): Promise<void> {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: `verify-${topic}`, maxBytesPerPartition: 4 << 20 })
  const seen = new Uint8Array(events)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let replies = 0
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { key, value, headers } of batch.messages) {
        if (headers?.['ce_type']?.toString() !== REPLY_TYPE) continue
        const reply = JSON.parse(value?.toString() ?? '') as {
          order_id: string
          total: number
          customer_id: string
        }
        const i = Number(reply.order_id.slice(4))
        const right =
          reply.order_id === orderId(i) &&
          reply.total === expectedTotal(i) &&
          key?.toString() === reply.customer_id &&
          seen[i] === 0
        if (!right) return reject(new Error(`wrong or second reply: ${value?.toString()}`))
        seen[i] = 1
        if (++replies === events) resolve()
      }
    },
  })
  await promise
  await consumer.disconnect()
}
