import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  FrameWriter,
  eachEntry,
  keyOfBlob,
  recordsOf,
} from '../../../../runtime/broker/embedded/record-frame.ts'
import type { AppendRecord, Bytes, LogRecord } from '../../../../runtime/contract/broker.ts'

const bytes = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  fc.constantFrom(
    'x'.repeat(42),
    'x'.repeat(43),
    '€'.repeat(42),
    '€'.repeat(43),
    'y'.repeat(20_000),
  ),
)
const bytesOrNull = fc.option(bytes, { nil: null })
const record = fc.record({
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(fc.tuple(bytes, bytesOrNull), { maxLength: 5 }),
  timestamp: fc.maxSafeNat(),
  offset: fc.maxSafeNat(),
  partitionId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
})
type Written = typeof record extends fc.Arbitrary<infer T> ? T : never

function written(records: readonly Written[], capacityBytes: number): FrameWriter {
  const writer = new FrameWriter(capacityBytes)
  for (const one of records) {
    const appended: AppendRecord = { topic: 't', partitionBy: 0, ...one }
    writer.writeRecord(one.partitionId, one.offset, appended, one.timestamp)
  }
  return writer
}

function asRead({ key, value, headers, timestamp, offset }: Written): LogRecord {
  return {
    offset,
    timestamp,
    key: asBuffer(key),
    value: asBuffer(value),
    headers: headers.map(([name, text]) => [Buffer.from(name as string), asBuffer(text)] as const),
  }
}

function asBuffer(given: Bytes | null): Buffer | null {
  return given === null ? null : Buffer.from(given as string)
}

test('Records come out of a frame as they went in, whatever room it began with', () => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 8 }),
      fc.integer({ min: 1, max: 5000 }),
      (records, n) => {
        assert.deepEqual(recordsOf(written(records, n).finish()), records.map(asRead))
      },
    ),
  )
})

test('Blobs that are stored and framed again give the same records and keys', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), (records) => {
      const again = new FrameWriter(16)
      const ids: number[] = []
      const keys: Array<Buffer | null> = []
      eachEntry(written(records, 64).finish(), (partitionId, offset, blob, timestamp) => {
        ids.push(partitionId)
        keys.push(keyOfBlob(blob))
        again.writeBlob(partitionId, offset, blob, timestamp)
      })
      assert.deepEqual(
        ids,
        records.map((one) => one.partitionId),
      )
      assert.deepEqual(
        keys,
        records.map((one) => asBuffer(one.key)),
      )
      assert.deepEqual(recordsOf(again.finish()), records.map(asRead))
    }),
  )
})
