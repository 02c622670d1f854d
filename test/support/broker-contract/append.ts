import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import type { AppendRecord } from '../../../runtime/contract/broker.ts'
import { partitionOf } from '../../../runtime/broker/partitioner.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker, RecordParts } from './opening.ts'
import { readToEnd, textsOf } from './reading.ts'

export function appendContract(open: OpenBroker): void {
  test('Results come one a record, in order, each with its place', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 3)
    const partitions = [0, 2, 0, 1, 2, 0]
    const results = await broker.append(
      partitions.map((partitionBy, i) => recordOf(topic, { partitionBy, value: String(i) })),
    )
    assert.deepEqual(
      results,
      [
        [0, 0],
        [2, 0],
        [0, 1],
        [1, 0],
        [2, 1],
        [0, 2],
      ].map(([partition, offset]) => ({ ok: true, topic, partition, offset })),
    )
    assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition: 0 })), ['0', '2', '5'])
    assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition: 2 })), ['1', '4'])
  })

  test('Appending nothing gives no results', async (t) => {
    const { broker } = await opened(t, open)
    assert.deepEqual(await broker.append([]), [])
  })

  test('One append may go to several topics', async (t) => {
    const { broker } = await opened(t, open)
    const [first, second] = [await madeTopic(broker, 1), await madeTopic(broker, 1)]
    const results = await appendAll(broker, [recordOf(second), recordOf(first), recordOf(second)])
    assert.deepEqual(
      results.map(({ topic, offset }) => [topic, offset]),
      [
        [second, 0],
        [first, 0],
        [second, 1],
      ],
    )
  })

  test('Records of one partition keep their order under concurrent appends', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const appends = Array.from({ length: 40 }, (_, i) =>
      appendAll(
        broker,
        [0, 1].flatMap((partition) => numbered({ topic, partition }, 5, i * 5)),
      ),
    )
    const results = (await Promise.all(appends)).flat()
    const expected = Array.from({ length: 200 }, (_, i) => String(i))
    for (const partition of [0, 1]) {
      const offsets = results.filter((r) => r.partition === partition).map((r) => r.offset)
      assert.deepEqual(offsets.map(String), expected, 'results in the order of the calls')
      assert.deepEqual(textsOf(await readToEnd(broker, { topic, partition })), expected)
    }
  })

  test("A text or bytes choose the partition as Kafka's murmur2 does", async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 7)
    const texts = ['21', 'foobar', 'customer-1', 'größe', 'source\0id', '']
    const byText = await appendAll(
      broker,
      texts.map((partitionBy) => recordOf(topic, { partitionBy, key: 'another key' })),
    )
    const byBytes = await appendAll(
      broker,
      texts.map((text) => recordOf(topic, { partitionBy: Buffer.from(text) })),
    )
    const expected = texts.map((text) => partitionOf(text, 7))
    assert.ok(new Set(expected).size > 2)
    // The vectors of Kafka's UtilsTest: 21 hashes to -973932308, foobar to -790332482.
    assert.equal(expected[0], (-973932308 & 0x7fffffff) % 7)
    assert.equal(expected[1], (-790332482 & 0x7fffffff) % 7)
    assert.deepEqual(
      byText.map((r) => r.partition),
      expected,
    )
    assert.deepEqual(
      byBytes.map((r) => r.partition),
      expected,
    )
  })

  for (const [title, parts, expected] of KEPT_EXACTLY) {
    test(`${title} is kept exactly`, async (t) => {
      const { broker } = await opened(t, open)
      const topic = await madeTopic(broker, 1)
      await appendAll(broker, [recordOf(topic), recordOf(topic, parts), recordOf(topic)])
      const { records } = await broker.read({ topic, partition: 0 }, 1)
      const record = records[0]
      assert.ok(record)
      assert.equal(record.offset, 1)
      for (const [field, value] of Object.entries(expected)) {
        assert.deepEqual(record[field as keyof typeof expected], value, field)
      }
    })
  }

  test('A record without a timestamp gets the time of its append', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const before = Date.now()
    await appendAll(broker, [recordOf(topic)])
    const [record] = await readToEnd(broker, { topic, partition: 0 })
    assert.ok(record && record.timestamp >= before && record.timestamp <= Date.now())
  })

  test('A record for a topic that is not there fails alone', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const missing = uniqueName('missing')
    const records: AppendRecord[] = [
      recordOf(topic),
      recordOf(missing),
      recordOf(topic, { partitionBy: 2 }),
      recordOf(topic),
    ]
    const [first, unknownTopic, unknownPartition, last] = await broker.append(records)
    assert.deepEqual(first, { ok: true, topic, partition: 0, offset: 0 })
    assert.deepEqual(last, { ok: true, topic, partition: 0, offset: 1 })
    for (const [result, named] of [
      [unknownTopic, missing],
      [unknownPartition, topic],
    ] as const) {
      assert.ok(result && !result.ok)
      assert.equal(result.topic, named)
      assert.ok(isMillraceError(result.error, 'FN_BROKER_UNKNOWN_TOPIC'), String(result.error))
    }
  })
}

const NOT_UTF8 = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80])

const KEPT_EXACTLY: ReadonlyArray<readonly [string, RecordParts, object]> = [
  ['A null key', { key: null }, { key: null }],
  ['An empty key', { key: '' }, { key: Buffer.alloc(0) }],
  ['A text key', { key: 'größe' }, { key: Buffer.from('größe') }],
  ['A key of bytes', { key: NOT_UTF8 }, { key: NOT_UTF8 }],
  ['A null value', { value: null }, { value: null }],
  ['An empty value', { value: '' }, { value: Buffer.alloc(0) }],
  ['A value of bytes', { value: NOT_UTF8 }, { value: NOT_UTF8 }],
  ['A text value', { value: '{"a":"€"}' }, { value: Buffer.from('{"a":"€"}') }],
  [
    'A value of 900 KiB',
    { value: Buffer.alloc(900 * 1024, 'x') },
    { value: Buffer.alloc(900 * 1024, 'x') },
  ],
  ['A list without headers', { headers: [] }, { headers: [] }],
  [
    'A list of headers with duplicates, null, empty and non-UTF-8 values',
    {
      headers: [
        ['ce_id', '1'],
        ['twice', 'first'],
        [Buffer.from('größe'), NOT_UTF8],
        ['none', null],
        ['empty', ''],
        ['twice', 'second'],
      ],
    },
    {
      headers: [
        [Buffer.from('ce_id'), Buffer.from('1')],
        [Buffer.from('twice'), Buffer.from('first')],
        [Buffer.from('größe'), NOT_UTF8],
        [Buffer.from('none'), null],
        [Buffer.from('empty'), Buffer.alloc(0)],
        [Buffer.from('twice'), Buffer.from('second')],
      ],
    },
  ],
  ['A timestamp', { timestamp: 1_700_000_000_123 }, { timestamp: 1_700_000_000_123 }],
]
