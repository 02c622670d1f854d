/**
 * What a user writes by hand for the same job: a plain kafkajs `eachBatch` loop. No isolation, no
 * retries, no dead letters. Prints one JSON line of its own figures.
 */
import { Kafka, logLevel, type KafkaMessage, type Message } from 'kafkajs'
import { stopwatch } from './stopwatch.ts'

const [bootstrap, topic, count] = process.argv.slice(2) as [string, string, string]
const expected = Number(count)
const CHUNK = 1_000

const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
const producer = kafka.producer()
const consumer = kafka.consumer({ groupId: `by-hand-${topic}`, maxBytesPerPartition: 4 << 20 })

interface Order {
  order_id: string
  customer_id: string
  items: Array<{ product_id: string; quantity: number; price: number }>
  amount: number
}

function handle(message: KafkaMessage): Message {
  const order = JSON.parse(message.value!.toString()) as Order // oxlint-disable-line typescript/no-non-null-assertion -- every event of the bench has data
  let total = 0
  for (const item of order.items) total += item.quantity * item.price
  const data = {
    order_id: order.order_id,
    customer_id: order.customer_id,
    lines: order.items.length,
    total: Math.round(total * 100) / 100,
  }
  return {
    key: message.key,
    value: JSON.stringify(data),
    headers: {
      ce_specversion: '1.0',
      ce_id: `${message.headers?.['ce_id']?.toString()}-priced`,
      ce_source: '/bench/by-hand',
      ce_type: 'bench.orders.priced',
      ce_time: new Date().toISOString(),
      ce_partitionkey: message.key ?? undefined,
      ce_causationid: message.headers?.['ce_id'],
      'content-type': 'application/json',
    },
  }
}

await producer.connect()
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
const watch = stopwatch()
let handled = 0

await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 4,
  eachBatch: async (payload) => {
    const { batch } = payload
    watch.start()
    for (let at = 0; at < batch.messages.length; at += CHUNK) {
      const chunk = batch.messages.slice(at, at + CHUNK)
      const wanted = chunk.filter(
        (m) => m.headers?.['ce_type']?.toString() === 'bench.orders.created',
      )
      if (wanted.length > 0) await producer.send({ topic, acks: -1, messages: wanted.map(handle) })
      const offset = String(Number(chunk.at(-1)?.offset) + 1)
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset }])
      await payload.heartbeat()
      handled += wanted.length
    }
    if (handled === expected) watch.stop(handled)
  },
})
await watch.done
await consumer.disconnect()
await producer.disconnect()
