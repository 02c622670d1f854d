import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMs } from '../../../../runtime/subscriber/http/retry-after.ts'

const NOW = Date.parse('2026-11-27T12:00:00Z')

test('Retry-After is a number of seconds', () => {
  assert.equal(retryAfterMs('0', NOW), 0)
  assert.equal(retryAfterMs(' 120 ', NOW), 120_000)
})

test('Retry-After is a date in any of the three forms of HTTP', () => {
  for (const date of [
    'Fri, 27 Nov 2026 12:01:30 GMT',
    'Friday, 27-Nov-26 12:01:30 GMT',
    'Fri Nov 27 12:01:30 2026',
  ]) {
    assert.equal(retryAfterMs(date, NOW), 90_000, date)
  }
  assert.equal(retryAfterMs('Tue Dec  1 12:00:00 2026', NOW), 4 * 24 * 3_600_000)
})

test('a date that has passed is no wait', () => {
  assert.equal(retryAfterMs('Fri, 27 Nov 2026 11:59:00 GMT', NOW), 0)
  // Two digits of a year that would be more than 50 years ahead are of the past.
  assert.equal(retryAfterMs('Sunday, 06-Nov-94 08:49:37 GMT', NOW), 0)
})

test('no wait is longer than a year', () => {
  const year = 365 * 24 * 3_600_000
  assert.equal(retryAfterMs('9'.repeat(400), NOW), year)
  assert.equal(retryAfterMs('Fri, 27 Nov 9999 12:00:00 GMT', NOW), year)
})

test('what is no Retry-After says nothing', () => {
  for (const text of [
    '',
    '-1',
    '1.5',
    '1s',
    'soon',
    'Fri, 99 Nov 2026 12:00:00 GMT',
    '2026-11-27',
  ]) {
    assert.equal(retryAfterMs(text, NOW), undefined, text)
  }
})
