import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERRORS, isMillraceError, MillraceError, retryOf } from '../../runtime/errors.ts'

const PAGE = new URL('../../docs/reference/errors.md', import.meta.url)

test('the reference page lists every error code of the table and no other', () => {
  const documented = readFileSync(PAGE, 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells[1]?.startsWith('`'))
    .map((cells) => cells.slice(1, -1))
  const table = Object.entries(ERRORS).map(([code, { retry, when }]) => [
    `\`${code}\``,
    retry,
    when,
  ])
  assert.deepEqual(documented, table)
})

test('every code names its stage, and its sentence ends like one', () => {
  for (const [code, { when }] of Object.entries(ERRORS)) {
    assert.match(code, /^FN_[A-Z]+(_[A-Z]+)+$/)
    assert.match(when, /\.$/, code)
  }
})

test('an error is recognised by its brand and code, not by its class', () => {
  const error = new MillraceError('FN_CLI_USAGE', 'no', { cause: 'why', detail: { at: 1 } })
  assert.equal(error.cause, 'why')
  assert.deepEqual(error.detail, { at: 1 })
  assert.equal(isMillraceError(error), true)
  assert.equal(isMillraceError(error, 'FN_CLI_USAGE'), true)
  assert.equal(isMillraceError(error, 'FN_CLI_NOT_FOUND'), false)
  const lookalike = Object.assign(new Error('no'), { code: 'FN_CLI_USAGE' })
  assert.equal(isMillraceError(lookalike), false)
})

test('an error that the table does not know may be tried again', () => {
  assert.equal(retryOf('FN_EVENT_INVALID'), 'never')
  assert.equal(retryOf('FN_HANDLER_THREW'), 'backoff')
  assert.equal(retryOf('toString'), 'backoff')
})
