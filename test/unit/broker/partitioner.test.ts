import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import type * as Kafkajs from 'kafkajs'
import { murmur2, partitionOf } from '../../../runtime/broker/partitioner.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

// kafkajs is CommonJS whose named exports are not all visible to an import.
const { Partitioners } = createRequire(import.meta.url)('kafkajs') as typeof Kafkajs

// org.apache.kafka.common.utils.UtilsTest#testMurmur2
const KAFKA_VECTORS: ReadonlyArray<readonly [string, number]> = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

for (const [text, expected] of KAFKA_VECTORS) {
  test(`murmur2 of "${text}" is the value of Kafka's own test`, () => {
    const bytes = Buffer.from(text)
    assert.equal(murmur2(bytes, bytes.length), expected)
    assert.equal(partitionOf(text, 1 << 30), (expected & 0x7fffffff) % (1 << 30))
  })
}

function kafkajsPartition(key: Buffer, partitions: number): number {
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    partitionErrorCode: 0,
    leader: 0,
    replicas: [],
    isr: [],
  }))
  const args: Kafkajs.PartitionerArgs = {
    topic: 't',
    partitionMetadata,
    message: { key, value: null },
  }
  return Partitioners.DefaultPartitioner()(args)
}

test('Bytes of any content and length meet the partition that kafkajs gives them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 97 }), (bytes, n) => {
      const key = Buffer.from(bytes)
      assert.equal(partitionOf(key, n), kafkajsPartition(key, n))
    }),
  )
})

test('Text is hashed as its UTF-8 bytes, whatever its length or alphabet', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      assert.equal(partitionOf(text, 1009), partitionOf(Buffer.from(text), 1009))
    }),
  )
  for (const text of [
    '',
    'é',
    'a\0b',
    'x'.repeat(5000),
    '€'.repeat(1365),
    '\ud800',
    'ab\u{1f600}',
  ]) {
    assert.equal(partitionOf(text, 1009), partitionOf(Buffer.from(text), 1009))
  }
})

test('A number is the partition itself', () => {
  assert.equal(partitionOf(0, 4), 0)
  assert.equal(partitionOf(3, 4), 3)
})

for (const wrong of [-1, 4, 1.5, Number.NaN]) {
  test(`A partition number ${wrong} of 4 is refused and named`, () => {
    assert.throws(
      () => partitionOf(wrong, 4),
      (error: unknown) =>
        isMillraceError(error, 'FN_BROKER_UNKNOWN_TOPIC') && error.message.includes(String(wrong)),
    )
  })
}
