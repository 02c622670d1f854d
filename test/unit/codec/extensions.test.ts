import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  checkExtensions,
  checkReplyAttributes,
  isExpired,
} from '../../../runtime/codec/extensions.ts'
import { decodeRecord, encodeRecord } from '../../../runtime/codec/record.ts'
import type { AttributeValue } from '../../../runtime/contract/event.ts'
import { sampleEvent } from '../../support/event-arbitraries.ts'

const NOW = Date.parse('2026-01-02T03:04:05Z')

function refuses(name: string, ...values: AttributeValue[]): void {
  for (const value of values) {
    assert.throws(() => checkExtensions({ [name]: value }), {
      code: 'FN_EVENT_INVALID',
      message: new RegExp(`"${name}" is .*; expected `),
    })
  }
}

function takes(attributes: Record<string, AttributeValue>): void {
  assert.doesNotThrow(() => checkExtensions(attributes))
}

describe('what is refused where its sender hears of it', () => {
  test('X1 an empty traceparent; a tracestate is optional', () => {
    refuses('traceparent', '')
    takes({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
    takes({ traceparent: '00-x', tracestate: '' })
  })

  test('X3 an empty partitionkey', () => {
    refuses('partitionkey', '')
    takes({ partitionkey: 'c-1' })
  })

  test('X4 an empty sequence; an integer counts as its text', () => {
    refuses('sequence', '')
    takes({ sequence: '002' })
    takes({ sequence: 2 })
  })

  test('X5 a sampledrate that is no integer above 0', () => {
    refuses('sampledrate', 0, -1, '0', '', '1.5', 'all', true, '2147483648')
    takes({ sampledrate: 1 })
    takes({ sampledrate: '25' })
  })

  test('X6 an expirytime that is no timestamp', () => {
    refuses('expirytime', 'tomorrow', '', 5)
    takes({ expirytime: '2026-01-02T03:04:05.5+02:00' })
  })

  test('X7 a deprecated other than true, times that are none, and a sunset before its beginning', () => {
    refuses('deprecated', false, 'false', 'TRUE', 1)
    refuses('deprecationfrom', 'soon')
    refuses('deprecationsunset', 'later')
    refuses('deprecationmigration', '', 'docs/new.html', 5)
    takes({ deprecationmigration: 'https://example.com/docs/new.html#how' })
    const from = { deprecated: true, deprecationfrom: '2026-06-01T00:00:00Z' }
    takes({ ...from, deprecationsunset: '2026-06-01T02:00:00+02:00' })
    assert.throws(
      () => checkExtensions({ ...from, deprecationsunset: '2026-06-01T01:00:00+02:00' }),
      { message: /"deprecationsunset".*not before deprecationfrom/ },
    )
  })

  test('X8 an empty dataref, also beside data', () => {
    refuses('dataref', '')
    takes({ dataref: '../blob?id=1' })
  })

  test('X9 a recordedtime that is no timestamp', () => {
    refuses('recordedtime', 'then')
    takes({ recordedtime: '2026-01-02T03:04:05Z' })
  })

  test('of a reply only what did not come so with its cause', () => {
    const cause = sampleEvent({ expirytime: 'soon' }).attributes
    assert.doesNotThrow(() => checkReplyAttributes({ expirytime: 'soon' }, cause))
    assert.throws(() => checkReplyAttributes({ expirytime: 'later' }, cause), /"later"/)
    assert.throws(() => checkReplyAttributes({ 'a-b': 'x' }, cause), /Attribute name/)
  })
})

test('X6 an event is expired from its expirytime on; what cannot be read never is', () => {
  const expired = (expirytime: AttributeValue): boolean =>
    isExpired(sampleEvent({ expirytime }).attributes, NOW)
  assert.ok(expired('2026-01-02T03:04:05Z'))
  assert.ok(expired('2026-01-02T05:04:05.000000001+02:00'))
  assert.ok(expired('2016-12-31t23:59:60z'))
  assert.ok(!expired('2026-01-02T03:04:05.001Z'))
  assert.ok(!expired('2026-01-02T03:04:05-01:00'))
  assert.ok(!expired('yesterday'))
  assert.ok(!expired(5))
  assert.ok(!isExpired(sampleEvent().attributes, NOW))
})

test('X2 X6 X8 X9 no binding changes, adds or removes an extension', () => {
  const extensions = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    expirytime: '2020-01-01T00:00:00.123456789+01:00',
    dataref: 'https://example.com/blob/1',
    recordedtime: '2026-01-02T03:04:05.1Z',
    sequence: '0007',
    sampledrate: '30',
  }
  const { attributes } = sampleEvent(extensions)
  const { headers, key, value } = encodeRecord({ attributes, data: undefined }, 't')
  const record = {
    offset: 0,
    timestamp: 0,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(([name, text]) => [Buffer.from(name), Buffer.from(text ?? '')] as const),
  }
  assert.deepEqual(decodeRecord(record).attributes, attributes)
})
