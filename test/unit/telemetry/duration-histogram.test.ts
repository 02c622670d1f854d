import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DurationHistogram } from '../../../runtime/telemetry/duration-histogram.ts'
import { DURATION_BUCKETS_SECONDS } from '../../../runtime/telemetry/metric-names.ts'

test('an observation on a bound counts in that bucket and in all above it', () => {
  const histogram = new DurationHistogram()
  histogram.observe(0.001)
  const { buckets } = histogram.snapshot()
  for (const { le, count } of buckets) {
    assert.equal(count, le === '+Inf' || Number(le) >= 0.001 ? 1 : 0, le)
  }
})

test('what is longer than every bound counts only in +Inf', () => {
  const histogram = new DurationHistogram()
  histogram.observe(1e6)
  const { buckets, sum, count } = histogram.snapshot()
  assert.equal(buckets.length, DURATION_BUCKETS_SECONDS.length + 1)
  assert.deepEqual(
    buckets.filter((bucket) => bucket.count > 0),
    [{ le: '+Inf', count: 1 }],
  )
  assert.equal(sum, 1e6)
  assert.equal(count, 1)
})
