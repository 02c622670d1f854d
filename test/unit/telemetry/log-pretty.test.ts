import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPretty } from '../../../runtime/telemetry/log-pretty.ts'

const TIME = '2026-01-02T03:04:05.678Z'

function format(fields: Record<string, unknown>, color = false): string {
  return formatPretty(JSON.stringify({ level: 'info', time: TIME, msg: 'ready', ...fields }), color)
}

test('a line is the time of day, the level, the message and the fields', () => {
  assert.match(
    format({ port: 8080, host: '127.0.0.1', reason: 'two words', list: [1, 'a'] }),
    /^\d\d:04:05 info {2}ready port=8080 host=127\.0\.0\.1 reason="two words" list=\[1,"a"\]\n$/,
  )
})

test('the stack of an error follows below its line', () => {
  const err = {
    type: 'MillraceError',
    message: 'no',
    stack: 'MillraceError: no\n    at x.ts:1',
    code: 'FN_X',
  }
  assert.match(format({ err }), /ready\n {4}FN_X\n {4}MillraceError: no\n {4}at x\.ts:1\n$/)
  assert.match(format({ err: { type: 'E', message: 'm' } }), /\n {4}E: m\n$/)
  assert.match(format({ err: 'thrown text' }), /\n {4}"thrown text"\n$/)
})

test('only the level is coloured, and only when asked', () => {
  assert.ok(format({}, true).includes('\u001B[32minfo \u001B[39m'))
  assert.ok(!format({}).includes('\u001B'))
})

test('no field or message can start a line or reach the terminal with control characters', () => {
  const nasty = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(nasty, nasty, nasty, (msg, key, value) => {
      const line = format({ msg, [`k${key}`]: value })
      assert.equal(line.indexOf('\n'), line.length - 1)
      assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\u2028\u2029\u202E]/u)
    }),
  )
})
