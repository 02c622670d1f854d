import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import type { Broker } from '../../../runtime/contract/broker.ts'
import { numbered } from '../../support/broker-contract/opening.ts'
import { rejects, shows, stableOffset } from '../../support/broker-contract/transaction-checks.ts'
import { eventually } from '../../support/eventually.ts'
import { PRODUCE } from '../../support/flaky-proxy.ts'
import { ownKafkaMissing, uniqueName } from '../../support/kafka.ts'
import { seeded } from '../../support/seeded.ts'
import { proxiedKafka } from '../../support/proxied-kafka.ts'
import { step, transacting, type TransactionLoad } from '../../support/transaction-load.ts'

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

/** Enough for a transaction on a slow machine, and not for Kafka to start again. */
const LITTLE_PATIENCE_MS = 1_500

describe('Transactions on Kafka under faults', { skip }, () => {
  const kafka = proxiedKafka()

  async function opened(
    bootstrap: string,
    options: { appendDeadlineMs?: number } = {},
  ): Promise<Broker> {
    kafka.proxy.cut = () => false
    return createKafkaBroker({ bootstrap: [bootstrap], clientId: 'faults', ...options })
  }

  test('A commit whose answer is lost is done once, and the next transaction goes on', async (t) => {
    const broker = await opened(kafka.throughProxy)
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 1 })
    const at = { topic, partition: 0 }
    const group = uniqueName('group')
    const transactor = await broker.transactor({ id: uniqueName('id') })
    let lost = 0
    kafka.proxy.cut = ({ apiKey, direction }) =>
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
    const broker = await opened(kafka.throughProxy)
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const group = uniqueName('group')
    const random = seeded(4711)
    const cutsBefore = kafka.proxy.cuts
    kafka.proxy.cut = ({ apiKey, direction }) =>
      OF_TRANSACTIONS.includes(apiKey) && random() < (direction === 'answer' ? 0.06 : 0.03)
    const transactor = await broker.transactor({ id: uniqueName('id') })

    for (let i = 0; i < 40; i++) await transactor.transact(step(topic, group, i))
    kafka.proxy.cut = () => false

    t.diagnostic(`${kafka.proxy.cuts - cutsBefore} connections cut`)
    assert.ok(kafka.proxy.cuts - cutsBefore >= 10)
    const expected = Array.from({ length: 40 }, (_, i) => String(i))
    await shows(broker, { topic, partition: 0 }, expected)
    await shows(broker, { topic, partition: 1 }, expected)
    assert.equal(await stableOffset(broker, group, { topic, partition: 0 }), 39)
  })

  test('Closing with a commit that is not answered is over in seconds, and says so', async (t) => {
    const broker = await opened(kafka.throughProxy)
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const transactor = await broker.transactor({ id: uniqueName('id') })
    const cutsBefore = kafka.proxy.cuts
    kafka.proxy.cut = ({ apiKey }) => apiKey === END_TXN
    const hanging = transactor.transact(step(topic, uniqueName('group'), 0))
    const behind = transactor.transact(step(topic, uniqueName('group'), 1))
    await eventually(() => kafka.proxy.cuts > cutsBefore, 'the commit is cut off')
    const began = performance.now()
    const closing = broker.close()
    await assert.rejects(hanging, {
      code: 'FN_BROKER_TRANSACTION_FAILED',
      message: /may or may not/,
    })
    await rejects(behind, 'FN_BROKER_TRANSACTION_FAILED')
    await closing
    // Without a bound it would be for ever.
    assert.ok(performance.now() - began < 60_000)
  })

  /** Kafka dies with a load on it, whose requests go through the proxy, and is started again. */
  async function killed(
    t: TestContext,
    { appendDeadlineMs, at }: { appendDeadlineMs: number; at?: number },
    whileAway: (load: TransactionLoad, struck: number) => Promise<unknown> = async () => {},
  ): Promise<{ load: TransactionLoad; struck: number }> {
    const broker = await opened(kafka.throughProxy, { appendDeadlineMs })
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const load = transacting(broker, topic)
    await load.reaches(30)
    const struck = at === undefined ? 0 : await cutFrom(at, load)
    await kafka.cluster.kill()
    await whileAway(load, struck)
    kafka.proxy.cut = () => false
    await kafka.cluster.restart()
    await load.reaches(60)
    await load.end()
    t.diagnostic(`${load.resolved()} resolved, ${load.rejected()} rejected`)
    return { load, struck }
  }

  /**
   * Resolves when an answer of this kind is cut off, with the number of the transaction under way; after
   * it nothing comes through.
   */
  async function cutFrom(answerTo: number, load: TransactionLoad): Promise<number> {
    let struck = -1
    kafka.proxy.cut = ({ apiKey, direction }) => {
      if (struck < 0 && apiKey === answerTo && direction === 'answer') {
        struck = load.resolved() + load.rejected()
      }
      return struck >= 0
    }
    await eventually(() => struck >= 0, `an answer to request ${answerTo}`)
    return struck
  }

  test('Kafka killed and started again in the middle, with patience: every transaction is there once', async (t) => {
    const { load } = await killed(t, { appendDeadlineMs: 55_000 })
    assert.equal(load.rejected(), 0)
  })

  test('Kafka killed while records are written, without patience: the transaction fails whole', async (t) => {
    const failing = { appendDeadlineMs: LITTLE_PATIENCE_MS, at: PRODUCE }
    const { load, struck } = await killed(t, failing, (each, i) => each.fails(i))
    assert.equal(load.isResolved(struck), false)
  })

  test('Kafka killed while a commit is not answered: it is waited for, with no patience either', async (t) => {
    const waiting = { appendDeadlineMs: LITTLE_PATIENCE_MS, at: END_TXN }
    const { load, struck } = await killed(t, waiting)
    assert.equal(load.isResolved(struck), true)
  })
})
