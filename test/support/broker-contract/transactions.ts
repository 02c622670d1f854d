import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import type { Transaction, TopicPartition } from '../../../runtime/contract/broker.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'
import { eventually } from '../eventually.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { readToEnd, textsOf } from './reading.ts'
import { rejects, shows, stableOffset } from './transaction-checks.ts'

export function transactionContract(open: OpenBroker): void {
  togetherContract(open)
  refusalContract(open)
}

function togetherContract(open: OpenBroker): void {
  test('Records, offsets and metadata of a transaction are there together', async (t) => {
    const { broker } = await opened(t, open)
    const [first, second] = [await madeTopic(broker, 2), await madeTopic(broker, 1)]
    const [group, other] = [uniqueName('group'), uniqueName('group')]
    const at = { topic: first, partition: 1 }
    await appendAll(broker, numbered(at, 1, 100))
    const transactor = await broker.transactor({ id: uniqueName('id') })

    const places = await transactor.transact({
      records: [...numbered(at, 2), recordOf(second, { value: 'x' }), ...numbered(at, 1, 2)],
      commits: [
        { group, offsets: [{ ...at, offset: 3, metadata: '5+2,größe' }] },
        { group: other, offsets: [{ topic: second, partition: 0, offset: 9 }] },
      ],
    })

    assert.deepEqual(places, [
      { ok: true, ...at, offset: 1 },
      { ok: true, ...at, offset: 2 },
      { ok: true, topic: second, partition: 0, offset: 0 },
      { ok: true, ...at, offset: 3 },
    ])
    await shows(broker, at, ['100', '0', '1', '2'])
    await shows(broker, { topic: second, partition: 0 }, ['x'])
    assert.deepEqual(await broker.committed(group, [at], { stable: true }), [
      { ...at, offset: 3, metadata: '5+2,größe' },
    ])
    const [committed] = await broker.committed(other, [{ topic: second, partition: 0 }], {
      stable: true,
    })
    assert.equal(committed?.offset, 9)
  })

  test('A transaction may have no records, no offsets, or neither', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const group = uniqueName('group')
    const transactor = await broker.transactor({ id: uniqueName('id') })

    assert.deepEqual(await transactor.transact({ records: [] }), [])
    const commits = [{ group, offsets: [{ ...at, offset: 4 }] }]
    assert.deepEqual(await transactor.transact({ records: [], commits }), [])
    assert.equal((await transactor.transact({ records: numbered(at, 1) }))[0]?.offset, 0)
    assert.deepEqual(
      await transactor.transact({ records: [], commits: [{ group, offsets: [] }] }),
      [],
    )
    await shows(broker, at, ['0'])
    assert.equal(await stableOffset(broker, group, at), 4)
  })

  test('Transactions that queue are done in their order', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const group = uniqueName('group')
    const at = { topic, partition: 1 }
    const transactor = await broker.transactor({ id: uniqueName('id') })
    const numbers = Array.from({ length: 20 }, (_, i) => i)

    const places = await Promise.all(
      numbers.map((i) =>
        transactor.transact({
          records: [...numbered(at, 1, i), recordOf(topic, { value: `other ${i}` })],
          commits: [{ group, offsets: [{ ...at, offset: i }] }],
        }),
      ),
    )

    await shows(broker, at, numbers.map(String))
    await shows(
      broker,
      { topic, partition: 0 },
      numbers.map((i) => `other ${i}`),
    )
    const offsets = places.map(([place]) => place?.offset ?? -1)
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    )
    assert.equal(await stableOffset(broker, group, at), 19)
  })

  test('Records between plain appends keep their places, and reading goes on behind them', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const transactor = await broker.transactor({ id: uniqueName('id') })

    const rounds = Array.from({ length: 10 }, async (_, i) => {
      const appending = appendAll(broker, numbered(at, 3, 1_000 + 10 * i))
      const records = numbered(at, 3, 10 * i)
      return [...(await transactor.transact({ records })), ...(await appending)]
    })
    const places = (await Promise.all(rounds)).flat()
    const [last] = await appendAll(broker, [recordOf(topic, { value: 'last' })])

    const records = await eventually(async () => {
      const found = await readToEnd(broker, at)
      return found.length === 61 ? found : undefined
    }, 'all 61 records')
    const values = new Map(records.map(({ offset, value }) => [offset, String(value)]))
    const expected = Array.from({ length: 10 }, (_, i) =>
      [0, 1, 2, 1_000, 1_001, 1_002].map((n) => String(10 * i + n)),
    )
    assert.deepEqual(
      places.map(({ offset }) => values.get(offset)),
      expected.flat(),
    )
    assert.deepEqual(
      [values.get(last?.offset ?? -1), records.at(-1)?.offset],
      ['last', last?.offset],
    )

    await transactor.transact({ records: numbered(at, 1, 500) })
    const from = (last?.offset ?? 0) + 1
    const behind = await eventually(async () => {
      const { next, end, records: found } = await broker.read(at, from)
      return found.length === 1 && next === end ? next : undefined
    }, 'reading gets to the end')
    assert.deepEqual((await broker.read(at, behind)).records, [])
    await appendAll(broker, [recordOf(topic, { value: 'new' })])
    assert.deepEqual(textsOf(await readToEnd(broker, at, behind)), ['new'])
  })

  test('A transaction of megabytes over topics and partitions is whole', async (t) => {
    const { broker } = await opened(t, open)
    const topics = [await madeTopic(broker, 3), await madeTopic(broker, 2)]
    const partitions = topics.flatMap((topic, i) =>
      Array.from({ length: i === 0 ? 3 : 2 }, (_, partition) => ({ topic, partition })),
    )
    const records = Array.from({ length: 500 }, (_, i) => {
      const { topic, partition } = partitions[i % partitions.length] as TopicPartition
      return recordOf(topic, { value: `${i} ${'x'.repeat(25_000)}`, partitionBy: partition })
    })
    const transactor = await broker.transactor({ id: uniqueName('id') })
    for (const round of [0, 1]) {
      const places = await transactor.transact({ records })
      assert.equal(places.length, 500, `round ${round}`)
    }

    for (const [i, at] of partitions.entries()) {
      const mine = records.flatMap(({ value }, n) => (n % 5 === i ? [String(value)] : []))
      await shows(broker, at, [...mine, ...mine])
    }
  })

  test('What is committed outlives the transactor and the log’s restart', async (t) => {
    const { broker, reopen } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const [group, id] = [uniqueName('group'), uniqueName('id')]
    const transactor = await broker.transactor({ id })
    assert.equal(transactor.id, id)
    const running = transactor.transact({
      records: numbered(at, 1),
      commits: [{ group, offsets: [{ ...at, offset: 1 }] }],
    })
    await Promise.all([transactor.close(), transactor.close()])
    assert.equal((await running).length, 1)
    await rejects(transactor.transact({ records: numbered(at, 1, 1) }), 'FN_BROKER_CLOSED')

    const again = await reopen()
    const next = await again.transactor({ id })
    await next.transact({ records: numbered(at, 1, 2) })
    await shows(again, at, ['0', '2'])
    assert.equal(await stableOffset(again, group, at), 1)
    await again.close()
    await rejects(next.transact({ records: [] }), 'FN_BROKER_CLOSED')
    await rejects(again.transactor({ id }), 'FN_BROKER_CLOSED')
  })
}

function refusalContract(open: OpenBroker): void {
  const at = (topic: string): TopicPartition => ({ topic, partition: 0 })
  const refusals: Array<[string, ErrorCode, (topic: string) => Partial<Transaction>]> = [
    [
      'a topic that is not there',
      'FN_BROKER_UNKNOWN_TOPIC',
      () => ({ records: [recordOf(uniqueName('missing'))] }),
    ],
    [
      'a partition that is not there',
      'FN_BROKER_UNKNOWN_TOPIC',
      (topic) => ({ records: [recordOf(topic, { partitionBy: 7 })] }),
    ],
    [
      'metadata that are too long',
      'FN_BROKER_COMMIT_REFUSED',
      (topic) => ({
        commits: [
          {
            group: uniqueName('group'),
            offsets: [{ ...at(topic), offset: 1, metadata: 'x'.repeat(4_001) }],
          },
        ],
      }),
    ],
  ]
  for (const [what, code, partOf] of refusals) {
    test(`A transaction with ${what} leaves nothing, and its transactor takes nothing more`, async (t) => {
      const { broker } = await opened(t, open)
      const topic = await madeTopic(broker, 1)
      const [group, id] = [uniqueName('group'), uniqueName('id')]
      const transactor = await broker.transactor({ id })
      const part = partOf(topic)
      const before = transactor.transact({ records: numbered(at(topic), 1, 10) })
      const failing = transactor.transact({
        records: [...numbered(at(topic), 3), ...(part.records ?? [])],
        commits: [{ group, offsets: [{ ...at(topic), offset: 1 }] }, ...(part.commits ?? [])],
      })
      const behind = transactor.transact({ records: numbered(at(topic), 1, 20) })

      await Promise.all([
        before,
        rejects(failing, code),
        rejects(behind, 'FN_BROKER_TRANSACTION_FAILED'),
      ])
      await rejects(
        transactor.transact({ records: numbered(at(topic), 1, 30) }),
        'FN_BROKER_TRANSACTION_FAILED',
      )
      const next = await broker.transactor({ id })
      await next.transact({ records: numbered(at(topic), 1, 40) })
      await shows(broker, at(topic), ['10', '40'])
      assert.equal(await stableOffset(broker, group, at(topic)), undefined)
    })
  }
}
