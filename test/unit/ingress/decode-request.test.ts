import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError } from '../../../runtime/errors.ts'
import { decodeRequest } from '../../../runtime/ingress/decode-request.ts'
import { recordBytes } from '../../../runtime/ingress/record-size.ts'

const HEADERS = ['ce-specversion', '1.0', 'ce-id', '1', 'ce-source', '/s', 'ce-type', 't']
const BATCH = ['Content-Type', 'application/cloudevents-batch+json']
const LIMITS = { topic: 'topic', maxEventBytes: 100 }

test('X6 an extension that breaks its own rule is refused with its name', () => {
  const headers = [...HEADERS, 'ce-expirytime', 'tomorrow']
  assert.throws(() => decodeRequest(headers, Buffer.alloc(0), LIMITS), {
    code: 'FN_EVENT_INVALID',
    message: /"expirytime" is "tomorrow"; expected an RFC 3339 timestamp/,
  })
})

test('the records of a request come with the sum of their bytes', () => {
  const events = ['a', 'b'].map((id) => ({ specversion: '1.0', id, source: '/s', type: 't' }))
  const { records, bytes } = decodeRequest(BATCH, Buffer.from(JSON.stringify(events)), LIMITS)
  assert.equal(records.length, 2)
  assert.ok(records.every(({ topic }) => topic === 'topic'))
  assert.equal(
    bytes,
    records.reduce((sum, record) => sum + recordBytes(record), 0),
  )
})

test('one event too large refuses the request, and the message says by how much', () => {
  assert.throws(
    () => decodeRequest(HEADERS, Buffer.alloc(101), LIMITS),
    (error) => {
      assert.ok(isMillraceError(error, 'FN_EVENT_TOO_LARGE'))
      assert.match(error.message, /at most 100 /)
      return true
    },
  )
})

test('an attribute given twice is refused, in whatever case', () => {
  assert.throws(
    () => decodeRequest([...HEADERS, 'CE-Id', '1'], Buffer.alloc(0), LIMITS),
    (error) => isMillraceError(error, 'FN_EVENT_INVALID'),
  )
})
