import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import {
  decodeFinished,
  encodeFinished,
  MAX_METADATA_BYTES,
  type Range,
} from '../../../runtime/consumer/finished-offsets.ts'

/** Ascending ranges that do not touch, from runs of unfinished and finished offsets in turn. */
function rangesOf(from: number, runs: ReadonlyArray<readonly [number, number]>): Range[] {
  const ranges: Range[] = []
  let position = from
  for (const [unfinished, finished] of runs) {
    const start = position + unfinished
    position = start + finished
    ranges.push([start, position])
  }
  return ranges
}

const ENDLESS = deflateRawSync(Buffer.alloc(2 << 20, 1)).toString('base64')
const SHORT = fc.integer({ min: 1, max: 300 })
const LENGTH = fc.oneof(SHORT, fc.integer({ min: 1, max: 2 ** 40 }))
const FROM = fc.oneof(fc.nat(1_000), fc.integer({ min: 0, max: 2 ** 50 }))

describe('encodeFinished', () => {
  it('gives what decodeFinished takes back', () => {
    const runs = fc.array(fc.tuple(LENGTH, LENGTH), { maxLength: 150 })
    fc.assert(
      fc.property(FROM, runs, (from, given) => {
        const ranges = rangesOf(from, given)
        const { metadata, truncated } = encodeFinished(from, ranges)
        assert.equal(truncated, false)
        assert.deepEqual(decodeFinished(from, metadata), ranges)
      }),
    )
  })

  it('compresses many ranges, and they come back as they were', () => {
    for (const runs of [
      Array.from({ length: 20_000 }, () => [1, 1] as const), // a pattern
      Array.from({ length: 3_000 }, (_, i) => [1 + ((i * 7_919) % 3), 1 + (i % 2)] as const),
    ]) {
      const ranges = rangesOf(7, runs)
      const { metadata, truncated } = encodeFinished(7, ranges)
      assert.match(metadata, /^z1:/)
      assert.equal(truncated, false)
      assert.ok(metadata.length < 2 * runs.length, `${metadata.length} bytes`)
      assert.deepEqual(decodeFinished(7, metadata), ranges)
    }
  })

  it('says nothing when nothing is finished', () => {
    assert.deepEqual(encodeFinished(5, []), { metadata: '', truncated: false })
    assert.deepEqual(decodeFinished(5, ''), [])
  })

  it('leaves out what does not fit, and never says more than it was given', () => {
    const runs = fc.array(fc.tuple(LENGTH, LENGTH), { minLength: 400, maxLength: 3_000 })
    fc.assert(
      fc.property(FROM, runs, (from, given) => {
        const ranges = rangesOf(from, given).filter(([, end]) => Number.isSafeInteger(end))
        const { metadata, truncated } = encodeFinished(from, ranges)
        assert.ok(metadata.length <= MAX_METADATA_BYTES, `${metadata.length} bytes`)
        const decoded = decodeFinished(from, metadata)
        assert.equal(decoded.length < ranges.length, truncated)
        assert.deepEqual(decoded, ranges.slice(0, decoded.length))
      }),
      { numRuns: 40 },
    )
  })
})

describe('decodeFinished', () => {
  const whole = encodeFinished(
    0,
    rangesOf(
      0,
      Array.from({ length: 300 }, (_, i) => [1 + (i % 5), 1 + (i % 3)] as const),
    ),
  ).metadata

  for (const [what, metadata] of [
    ["another writer's text", 'strimzi'],
    ['a later version', 'm2:AQE='],
    ['no Base64', 'm1:!!!'],
    ['an empty range', 'm1:AQAB'],
    ['half a number', 'm1:gICA'],
    ['half a pair', 'm1:AQ=='],
    ['numbers without end', `m1:${Buffer.alloc(400, 0xff).toString('base64')}`],
    ['compressed bytes that are none', 'z1:////'],
    ['compressed bytes that were cut off', whole.slice(0, whole.length / 2)],
    ['bytes that inflate without end', `z1:${ENDLESS}`],
  ] as const) {
    it(`takes ${what} for none`, () => {
      assert.deepEqual(decodeFinished(100, metadata), [])
    })
  }

  it('survives any text, and gives ascending ranges above the offset or none', () => {
    const text = fc.oneof(
      fc.string(),
      fc.base64String().map((base64) => `m1:${base64}`),
      fc.base64String().map((base64) => `z1:${base64}`),
    )
    fc.assert(
      fc.property(FROM, text, (from, metadata) => {
        let position = from
        for (const [start, end] of decodeFinished(from, metadata)) {
          assert.ok(start >= position && end > start && Number.isSafeInteger(end))
          position = end
        }
      }),
    )
  })
})
