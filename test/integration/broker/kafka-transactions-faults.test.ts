import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import type { Broker, Transaction, Transactor } from '../../../runtime/contract/broker.ts'
import { numbered, recordOf } from '../../support/broker-contract/opening.ts'
import { readToEnd, textsOf } from '../../support/broker-contract/reading.ts'
import { rejects, shows, stableOffset } from '../../support/broker-contract/transaction-checks.ts'
import { eventually } from '../../support/eventually.ts'
import { PRODUCE, startFlakyProxy, type FlakyProxy } from '../../support/flaky-proxy.ts'
import { ownKafkaMissing, startKafka, uniqueName, type KafkaCluster } from '../../support/kafka.ts'
import { seeded } from '../../support/seeded.ts'

const skip = ownKafkaMissing()

/** Kafka's numbers of requests. */
const INIT_PRODUCER_ID = 22
const ADD_PARTITIONS_TO_TXN = 24
const ADD_OFFSETS_TO_TXN = 25
const END_TXN = 26
const TXN_OFFSET_COMMIT = 28
const OF_TRANSACTIONS = [
  PRODUCE,
  INIT_PRODUCER_ID,
  ADD_PARTITIONS_TO_TXN,
  ADD_OFFSETS_TO_TXN,
  END_TXN,
  TXN_OFFSET_COMMIT,
]

describe('Transactions on Kafka under faults', { skip }, () => {
  let proxy: FlakyProxy
  let cluster: KafkaCluster
  before(async () => {
    proxy = await startFlakyProxy()
    cluster = await startKafka({ advertise: [proxy.port] })
    proxy.target = cluster.proxied[0] as string
  })
  after(async () => {
    await proxy.close()
    await cluster.stop()
  })

  async function opened(
    bootstrap: string,
    options: { appendDeadlineMs?: number } = {},
  ): Promise<Broker> {
    proxy.cut = () => false
    return createKafkaBroker({ bootstrap: [bootstrap], clientId: 'faults', ...options })
  }

  test('A commit whose answer is lost is done once, and the next transaction goes on', async (t) => {
    const broker = await opened(`127.0.0.1:${proxy.port}`)
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 1 })
    const at = { topic, partition: 0 }
    const group = uniqueName('group')
    const transactor = await broker.transactor({ id: uniqueName('id') })
    let lost = 0
    proxy.cut = ({ apiKey, direction }) =>
      apiKey === END_TXN && direction === 'answer' && lost++ < 2

    const commits = [{ group, offsets: [{ ...at, offset: 7 }] }]
    const places = await transactor.transact({ records: numbered(at, 2), commits })
    assert.ok(lost >= 2)
    await transactor.transact({ records: numbered(at, 1, 2) })

    assert.deepEqual(
      places.map(({ offset }) => offset),
      [0, 1],
    )
    await shows(broker, at, ['0', '1', '2'])
    assert.equal(await stableOffset(broker, group, at), 7)
  })

  test('Transactions under dropped connections are there once, whole and in order', async (t) => {
    const broker = await opened(`127.0.0.1:${proxy.port}`)
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const group = uniqueName('group')
    const random = seeded(4711)
    const cutsBefore = proxy.cuts
    proxy.cut = ({ apiKey, direction }) =>
      OF_TRANSACTIONS.includes(apiKey) && random() < (direction === 'answer' ? 0.06 : 0.03)
    const transactor = await broker.transactor({ id: uniqueName('id') })

    for (let i = 0; i < 40; i++) await transactor.transact(step(topic, group, i))
    proxy.cut = () => false

    t.diagnostic(`${proxy.cuts - cutsBefore} connections cut`)
    assert.ok(proxy.cuts - cutsBefore >= 10)
    const expected = Array.from({ length: 40 }, (_, i) => String(i))
    await shows(broker, { topic, partition: 0 }, expected)
    await shows(broker, { topic, partition: 1 }, expected)
    assert.equal(await stableOffset(broker, group, { topic, partition: 0 }), 39)
  })

  test('Closing with a commit that is not answered is over in seconds, and says so', async (t) => {
    const broker = await opened(`127.0.0.1:${proxy.port}`)
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const transactor = await broker.transactor({ id: uniqueName('id') })
    const cutsBefore = proxy.cuts
    proxy.cut = ({ apiKey }) => apiKey === END_TXN
    const hanging = transactor.transact(step(topic, uniqueName('group'), 0))
    const behind = transactor.transact(step(topic, uniqueName('group'), 1))
    await eventually(() => proxy.cuts > cutsBefore, 'the commit is cut off')
    const began = performance.now()
    const closing = broker.close()
    await assert.rejects(hanging, {
      code: 'FN_BROKER_TRANSACTION_FAILED',
      message: /may or may not/,
    })
    await rejects(behind, 'FN_BROKER_TRANSACTION_FAILED')
    await closing
    assert.ok(performance.now() - began < 15_000)
  })

  for (const appendDeadlineMs of [30_000, 500]) {
    const how = `with patience of ${appendDeadlineMs} ms`
    test(`Kafka killed and started again in the middle, ${how}: nothing is lost, double or in part`, async (t) => {
      const broker = await opened(cluster.bootstrap, { appendDeadlineMs })
      t.after(() => broker.close())
      const topic = uniqueName(t)
      await broker.ensureTopic(topic, { partitions: 2 })
      const load = transacting(broker, topic, uniqueName('group'))
      await load.reaches(30)
      await cluster.kill()
      if (appendDeadlineMs < 1_000) await load.fails()
      await cluster.restart()
      await load.reaches(60)
      const { resolved, rejected } = await load.stop()

      t.diagnostic(`${resolved.length} resolved, ${rejected.length} rejected`)
      assert.equal(rejected.length > 0, appendDeadlineMs < 1_000)
      const [first, second] = await Promise.all([0, 1].map((n) => load.written(n)))
      assert.deepEqual(first, second, 'both partitions hold the same transactions')
      assert.equal(new Set(first).size, first?.length, 'each one once')
      const found = new Set(first?.map(Number))
      assert.deepEqual(
        resolved.filter((n) => !found.has(n)),
        [],
        'nothing that resolved is missing',
      )
      for (const n of resolved) found.delete(n)
      for (const n of rejected) found.delete(n)
      assert.deepEqual([...found], [], 'nothing else is there')
    })
  }
})

/** A record in each of two partitions and an offset, all with the number. */
function step(topic: string, group: string, i: number): Transaction {
  return {
    records: [0, 1].map((partitionBy) => recordOf(topic, { value: String(i), partitionBy })),
    commits: [{ group, offsets: [{ topic, partition: 0, offset: Math.max(i, 0) }] }],
  }
}

interface Load {
  reaches(count: number): Promise<unknown>
  fails(): Promise<unknown>
  stop(): Promise<{ resolved: number[]; rejected: number[] }>
  /** What a partition holds of it, once it is stopped. */
  written(partition: number): Promise<string[]>
}

/** One transaction after another; opens its id again when one fails. */
function transacting(broker: Broker, topic: string, group: string): Load {
  const id = uniqueName('id')
  const resolved: number[] = []
  const rejected: number[] = []
  let isOver = false
  const work = async (): Promise<void> => {
    let transactor: Transactor | undefined
    for (let i = 0; !isOver; i++) {
      try {
        transactor ??= await broker.transactor({ id })
        await transactor.transact(step(topic, group, i))
        resolved.push(i)
      } catch {
        rejected.push(i)
        await transactor?.close()
        transactor = undefined
      }
    }
  }
  const working = work()
  return {
    reaches: (count) => eventually(() => resolved.length >= count, `${count} transactions`, 60_000),
    fails: () => eventually(() => rejected.length > 0, 'a transaction that fails', 30_000),
    async stop() {
      isOver = true
      await working
      // Ends whatever was open.
      await (await broker.transactor({ id })).transact(step(topic, group, -1))
      return { resolved, rejected }
    },
    written: (partition) =>
      eventually(async () => {
        const texts = textsOf(await readToEnd(broker, { topic, partition }))
        return texts.at(-1) === '-1' ? texts.slice(0, -1) : undefined
      }, `the last record of ${partition}`),
  }
}
