import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKafkaBroker } from '../../../runtime/broker/kafka/broker.ts'
import {
  appendAll,
  type AppendRecord,
  type AppendResult,
  type Broker,
} from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { readToEnd, textsOf } from '../../support/broker-contract/reading.ts'
import { eventually } from '../../support/eventually.ts'
import { PRODUCE } from '../../support/flaky-proxy.ts'
import { ownKafkaMissing, uniqueName } from '../../support/kafka.ts'
import { seeded } from '../../support/seeded.ts'
import { proxiedKafka } from '../../support/proxied-kafka.ts'

const skip = ownKafkaMissing()

describe('The Kafka driver under faults', { skip }, () => {
  const kafka = proxiedKafka()

  async function opened(options: { appendDeadlineMs?: number } = {}): Promise<Broker> {
    kafka.proxy.cut = () => false
    const bootstrap = [kafka.throughProxy]
    return createKafkaBroker({ bootstrap, clientId: 'faults', ...options })
  }

  test('400 concurrent appends under dropped connections are there once and in order', async (t) => {
    const broker = await opened()
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 2 })
    const random = seeded(4711)
    kafka.proxy.cut = ({ apiKey, direction }) =>
      apiKey === PRODUCE && random() < (direction === 'answer' ? 0.2 : 0.1)
    const cutsBefore = kafka.proxy.cuts

    const results: AppendResult[] = []
    for (let wave = 0; wave < 40; wave++) {
      const calls = Array.from({ length: 5 }, (_, i) =>
        broker.append([0, 1].map((partition) => record(topic, partition, String(wave * 5 + i)))),
      )
      results.push(...(await Promise.all(calls)).flat())
    }
    kafka.proxy.cut = () => false

    t.diagnostic(`${kafka.proxy.cuts - cutsBefore} connections cut`)
    assert.ok(kafka.proxy.cuts - cutsBefore >= 10)
    assert.deepEqual(
      results.filter((result) => !result.ok),
      [],
    )
    const expected = Array.from({ length: 200 }, (_, i) => String(i))
    for (const partition of [0, 1]) {
      assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition })), expected)
      const offsets = results.flatMap<number>((r) =>
        r.ok && r.partition === partition ? r.offset : [],
      )
      assert.deepEqual(offsets, expected.map(Number))
    }
  })

  test('A record whose answer was lost after the append is there once, and the next behind it', async (t) => {
    const broker = await opened()
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 1 })
    await appendAll(broker, [record(topic, 0, 'warm')])
    let lost = 0
    kafka.proxy.cut = ({ apiKey, direction }) =>
      apiKey === PRODUCE && direction === 'answer' && lost++ === 0

    const [a, b, c] = await Promise.all(
      ['A', 'B', 'C'].map((value) => broker.append([record(topic, 0, value)])),
    )

    assert.ok(lost >= 1)
    assert.deepEqual(
      [a, b, c].map((results) => results?.[0]),
      [1, 2, 3].map((offset) => ({ ok: true, topic, partition: 0, offset })),
    )
    assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition: 0 })), [
      'warm',
      'A',
      'B',
      'C',
    ])
  })

  test('A record that is not confirmed fails by its deadline, and later ones still pass', async (t) => {
    const patient = await opened()
    t.after(() => patient.close())
    const broker = await opened({ appendDeadlineMs: 1_000 })
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 1 })
    await appendAll(patient, [record(topic, 0, 'before')])
    kafka.proxy.cut = ({ apiKey, direction }) => apiKey === PRODUCE && direction === 'answer'

    const [result] = await broker.append([record(topic, 0, 'unknown')])
    assert.ok(result && !result.ok && isMillraceError(result.error, 'FN_BROKER_APPEND_FAILED'))
    kafka.proxy.cut = () => false

    await eventually(async () => {
      const [later] = await broker.append([record(topic, 0, 'after')])
      return later?.ok
    }, 'a later append')
    const texts = textsOf(await readToEnd(broker, { topic, partition: 0 }))
    assert.equal(texts[0], 'before')
    assert.equal(texts.at(-1), 'after')
    // Its fate was unknown to the driver: in the log at most once.
    assert.ok(texts.filter((text) => text === 'unknown').length <= 1, texts.join())
  })

  test('Kafka killed and started again: trouble tells, and the same broker goes on', async (t) => {
    const broker = await createKafkaBroker({
      bootstrap: [kafka.cluster.bootstrap],
      clientId: 'restart',
      // Longer than Kafka takes to start again on a slow machine.
      appendDeadlineMs: 120_000,
    })
    t.after(() => broker.close())
    const topic = uniqueName(t)
    await broker.ensureTopic(topic, { partitions: 1 })
    await appendAll(broker, [record(topic, 0, 'one')])
    const reading = broker.read({ topic, partition: 0 }, 1, { waitMs: 180_000 })
    assert.equal(broker.trouble(), undefined)

    await kafka.cluster.kill()
    // First the connection is gone, then nobody answers there.
    const refused = new RegExp(`${kafka.cluster.bootstrap}.*ECONNREFUSED`)
    await eventually(() => refused.test(broker.trouble() ?? ''), 'trouble')
    const appending = broker.append([record(topic, 0, 'two')])
    await kafka.cluster.restart()

    assert.equal((await appending)[0]?.ok, true)
    assert.deepEqual(textsOf((await reading).records), ['two'])
    await eventually(() => broker.trouble() === undefined, 'no more trouble')
    assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition: 0 })), ['one', 'two'])
  })
})

function record(topic: string, partitionBy: number, value: string): AppendRecord {
  return { topic, key: null, value, headers: [], partitionBy }
}
