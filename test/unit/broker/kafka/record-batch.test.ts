import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, readRecordsBatches } from '@platformatic/kafka'
import fc from 'fast-check'
import type { AppendRecord, Bytes } from '../../../../runtime/contract/broker.ts'
import { BatchBuffers } from '../../../../runtime/broker/kafka/batch-buffers.ts'
import { decodeRecords } from '../../../../runtime/broker/kafka/record-decoder.ts'
import { RecordEncoder } from '../../../../runtime/broker/kafka/record-encoder.ts'

const PRODUCER = { id: 7n, epoch: 3 }
const NOW = 1_700_000_000_000
const ROOMY = { from: 0, maxBytes: Number.MAX_SAFE_INTEGER, aborted: [] }

function encoded(records: AppendRecord[], baseOffset = 0): Buffer {
  const encoder = new RecordEncoder(new BatchBuffers(), 0)
  for (const record of records) assert.ok(encoder.add(record, NOW, Number.MAX_SAFE_INTEGER))
  const batch = Buffer.from(encoder.finish(PRODUCER, 11))
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  return batch
}

function record(parts: Partial<AppendRecord>): AppendRecord {
  return { topic: 't', key: null, value: null, headers: [], partitionBy: 0, ...parts }
}

const bytes: fc.Arbitrary<Bytes> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
)
const records = fc.array(
  fc.record({
    key: fc.option(bytes),
    value: fc.option(fc.oneof(bytes, fc.string({ minLength: 8_000, maxLength: 20_000 }))),
    headers: fc.array(fc.tuple(bytes, fc.option(bytes)), { maxLength: 10 }),
    timestamp: fc.integer({ min: 0, max: 2 ** 45 }),
  }),
  { minLength: 1, maxLength: 20 },
)

function asBuffer(value: Bytes | null): Buffer | null {
  return typeof value === 'string' ? Buffer.from(value) : value
}

test('What is encoded is decoded, whatever it is', () => {
  fc.assert(
    fc.property(records, fc.nat(2 ** 40), (parts, baseOffset) => {
      const batch = encoded(parts.map(record), baseOffset)
      const decoded = decodeRecords(batch, { ...ROOMY, from: baseOffset })
      assert.equal(decoded.next, baseOffset + parts.length)
      assert.deepEqual(
        decoded.records,
        parts.map(({ key, value, headers, timestamp }, i) => ({
          offset: baseOffset + i,
          timestamp,
          key: asBuffer(key),
          value: asBuffer(value),
          headers: headers.map(([name, text]) => [asBuffer(name), asBuffer(text)]),
        })),
      )
    }),
    { numRuns: 40 },
  )
})

test('The library reads our batches the same, checksum and producer included', () => {
  const batch = encoded([
    record({ key: 'größe', value: 'x'.repeat(100), headers: [['a', 'b']], timestamp: NOW }),
    record({ value: null, timestamp: NOW - 5 }),
  ])
  const [read] = readRecordsBatches(Reader.from(batch))
  assert.ok(read)
  assert.deepEqual([read.producerId, read.producerEpoch, read.firstSequence], [7n, 3, 11])
  assert.deepEqual([read.firstTimestamp, read.maxTimestamp], [BigInt(NOW), BigInt(NOW)])
  assert.deepEqual(
    read.records.map(({ key, value, timestampDelta, offsetDelta }) => ({
      key: key?.toString(),
      value: value?.toString(),
      timestampDelta,
      offsetDelta,
    })),
    [
      { key: 'größe', value: 'x'.repeat(100), timestampDelta: 0n, offsetDelta: 0 },
      { key: undefined, value: undefined, timestampDelta: -5n, offsetDelta: 1 },
    ],
  )
})

test('A batch takes records up to its size, and the first one in any case', () => {
  const encoder = new RecordEncoder(new BatchBuffers(), 0)
  const large = record({ value: Buffer.alloc(5_000) })
  assert.ok(encoder.add(large, NOW, 1_000))
  assert.ok(!encoder.add(record({ value: 'small' }), NOW, 1_000))
  assert.ok(encoder.add(record({ value: 'small' }), NOW, 10_000))
  const { records: read } = decodeRecords(Buffer.from(encoder.finish(PRODUCER, 0)), ROOMY)
  assert.deepEqual(
    read.map((each) => each.value?.length),
    [5_000, 5],
  )
})

test('Reading stops at the bytes asked for, and goes on from there', () => {
  const batch = encoded(Array.from({ length: 10 }, (_, i) => record({ value: String(i) })))
  const first = decodeRecords(batch, { ...ROOMY, maxBytes: 20 })
  assert.ok(first.records.length > 1 && first.records.length < 10)
  assert.equal(first.next, first.records.length)
  const rest = decodeRecords(batch, { ...ROOMY, from: first.next })
  assert.equal(rest.records[0]?.offset, first.next)
  assert.deepEqual([rest.records.length, rest.next], [10 - first.next, 10])
})

test('A batch that is cut at the end is left for the next fetch', () => {
  const whole = encoded([record({ value: 'one' })])
  const cut = encoded([record({ value: 'two' })], 1).subarray(0, 70)
  const decoded = decodeRecords(Buffer.concat([whole, cut]), ROOMY)
  assert.deepEqual([decoded.records.length, decoded.next], [1, 1])
})
