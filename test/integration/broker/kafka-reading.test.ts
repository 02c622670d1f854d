import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { CompressionTypes, Kafka, logLevel, type Producer } from 'kafkajs'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import { appendAll, type Broker } from '../../../runtime/contract/broker.ts'
import { readToEnd, textsOf } from '../../support/broker-contract/reading.ts'
import { shows } from '../../support/broker-contract/transaction-checks.ts'
import { readIndependently } from '../../support/independent-reader.ts'
import { kafkaForTests } from '../../support/kafka.ts'

const kafka = kafkaForTests()

async function opened(t: TestContext): Promise<Broker> {
  const bootstrap = kafka.cluster.bootstrap.split(',')
  const broker = await createKafkaBroker({ bootstrap, clientId: 'reading' })
  t.after(() => broker.close())
  return broker
}

function kafkajs(): Kafka {
  const brokers = kafka.cluster.bootstrap.split(',')
  return new Kafka({ brokers, logLevel: logLevel.NOTHING })
}

async function transactional(t: TestContext): Promise<Producer> {
  const producer = kafkajs().producer({
    transactionalId: kafka.name('transactions'),
    maxInFlightRequests: 1,
    idempotent: true,
  })
  t.after(() => producer.disconnect())
  await producer.connect()
  return producer
}

interface Transaction {
  end: 'commit' | 'abort'
  values: string[]
  /** Records a send; all in one unless told otherwise. */
  perSend?: number
}

async function run(producer: Producer, topic: string, transaction: Transaction): Promise<void> {
  const { end, values, perSend = values.length } = transaction
  const open = await producer.transaction()
  for (let i = 0; i < values.length; i += perSend) {
    const messages = values.slice(i, i + perSend).map((value) => ({ partition: 0, value }))
    await open.send({ topic, messages, compression: CompressionTypes.None })
  }
  await open[end]()
}

test(
  'Two aborts of one producer in one fetch are left out, its commits are not',
  kafka.needed,
  async (t) => {
    const broker = await opened(t)
    const topic = kafka.name(t)
    const at = { topic, partition: 0 }
    await broker.ensureTopic(topic, { partitions: 1 })
    const producer = await transactional(t)
    await run(producer, topic, { end: 'abort', values: ['a1'] })
    await run(producer, topic, { end: 'commit', values: ['c1'] })
    await run(producer, topic, { end: 'abort', values: ['a2', 'a3'] })
    await run(producer, topic, { end: 'commit', values: ['c2'] })

    await shows(broker, at, ['c1', 'c2'])
    assert.deepEqual(await readIndependently(t, kafka.cluster.bootstrap, { topic, count: 2 }), [
      'c1',
      'c2',
    ])
    // Five records and four markers: the last marker holds no record, and reading goes on behind it.
    const whole = await broker.read(at, 0)
    assert.deepEqual([whole.next, whole.end], [9, 9])
    const behind = await broker.read(at, 8)
    assert.deepEqual(behind, { records: [], next: 9, start: 0, end: 9 })
  },
)

test('An abort that is larger than a fetch is left out whole', kafka.needed, async (t) => {
  const broker = await opened(t)
  const topic = kafka.name(t)
  const at = { topic, partition: 0 }
  await broker.ensureTopic(topic, { partitions: 1 })
  const producer = await transactional(t)
  const large = Array.from({ length: 20 }, (_, i) => `${i}${'x'.repeat(50_000)}`)
  await run(producer, topic, { end: 'commit', values: ['first'] })
  await run(producer, topic, { end: 'abort', values: large, perSend: 1 })
  await run(producer, topic, { end: 'commit', values: ['last'] })

  await shows(broker, at, ['first', 'last'])
  const records = await readToEnd(broker, at, 0, 120_000)
  assert.deepEqual(textsOf(records), ['first', 'last'])
  // From within the aborted records, too: their beginning is not in any of these fetches.
  for (const from of [2, 10, 20]) {
    assert.deepEqual(textsOf(await readToEnd(broker, at, from, 120_000)), ['last'])
  }
})

test(
  'An open transaction bounds what is readable, and its end makes it go on',
  kafka.needed,
  async (t) => {
    const broker = await opened(t)
    const topic = kafka.name(t)
    const at = { topic, partition: 0 }
    await broker.ensureTopic(topic, { partitions: 1 })
    const producer = await transactional(t)
    await appendAll(broker, [{ ...at, key: null, value: 'before', headers: [], partitionBy: 0 }])
    const open = await producer.transaction()
    await open.send({ topic, messages: [{ partition: 0, value: 'inside' }] })
    await appendAll(broker, [{ ...at, key: null, value: 'behind', headers: [], partitionBy: 0 }])

    const { records, next, end } = await broker.read(at, 0)
    assert.deepEqual([textsOf(records), next, end], [['before'], 1, 1])
    assert.deepEqual(await broker.ranges([at]), [{ ...at, start: 0, end: 1 }])
    const waiting = broker.read(at, 1, { waitMs: 120_000 })
    await open.commit()
    assert.deepEqual(textsOf((await waiting).records), ['inside', 'behind'])
  },
)

test('Records of all five codecs of Kafka’s own producer are read', kafka.needed, async (t) => {
  const broker = await opened(t)
  const lines = Array.from({ length: 2_000 }, (_, i) => `${i} ${'abc'.repeat(i % 50)}`)
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  await Promise.all(
    codecs.map(async (codec) => {
      const topic = kafka.name(codec)
      await broker.ensureTopic(topic, { partitions: 1, config: { 'compression.type': 'producer' } })
      const args = ['--topic', topic, '--compression-codec', codec]
      await kafka.cluster.tool('console-producer', args, `${lines.join('\n')}\n`)
      const at = { topic, partition: 0 }
      assert.deepEqual(textsOf(await readToEnd(broker, at, 0, 10_000)), lines, codec)
      // From the middle of a compressed batch.
      const { records } = await broker.read(at, 777, { maxBytes: 1 })
      assert.deepEqual(
        records.map((record) => [record.offset, String(record.value)]),
        [[777, lines[777]]],
        codec,
      )
    }),
  )
})
