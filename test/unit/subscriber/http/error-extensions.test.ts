import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorExtensions } from '../../../../runtime/subscriber/http/error-extensions.ts'

test('kne- headers become extensions under their lower-case names', () => {
  assert.deepEqual(errorExtensions(['Kne-Reason', 'no stock', 'content-type', 'a/b']), {
    reason: 'no stock',
  })
  assert.deepEqual(errorExtensions(['KNE-KnativeErrorDest', 'http://other/']), {
    knativeerrordest: 'http://other/',
  })
  assert.equal(errorExtensions(['content-type', 'a/b']), undefined)
})

test('what may not be an attribute, or says what the event is, is left out', () => {
  const headers = ['kne-', 'kne-a-b', 'kne-a_b', 'kne-data', 'kne-id', 'kne-source', 'kne-time']
  assert.equal(errorExtensions(headers.flatMap((name) => [name, 'x'])), undefined)
  assert.equal(errorExtensions(['kne-a', 'tab\there', 'kne-b', '\xff']), undefined)
  assert.deepEqual(errorExtensions(['kne-a', Buffer.from('é').toString('latin1')]), { a: 'é' })
})

test('the first of two is kept', () => {
  assert.deepEqual(errorExtensions(['kne-a', '1', 'Kne-A', '2']), { a: '1' })
})

test('there are at most 16, of 4 KiB together', () => {
  const many = Array.from({ length: 40 }, (_, i) => [`kne-x${i}`, 'v']).flat()
  assert.equal(Object.keys(errorExtensions(many) ?? {}).length, 16)
  const large = Array.from({ length: 10 }, (_, i) => [`kne-x${i}`, 'v'.repeat(1_000)]).flat()
  assert.deepEqual(Object.keys(errorExtensions(large) ?? {}), ['x0', 'x1', 'x2', 'x3'])
})
