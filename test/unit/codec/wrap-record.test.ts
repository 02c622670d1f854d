import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeRecord, encodeRecord } from '../../../runtime/codec/record.ts'
import { wrapRecord } from '../../../runtime/codec/wrap-record.ts'
import type { LogRecord } from '../../../runtime/contract/broker.ts'

const AT = { topic: 'orders', partition: 3 }

function record(more: Partial<LogRecord> = {}): LogRecord {
  return { offset: 7, timestamp: 0, key: null, value: null, headers: [], ...more }
}

test('a plain record becomes the event that a KafkaSource makes of it', () => {
  const headers = [
    [Buffer.from('content-type'), Buffer.from('application/json')],
    [Buffer.from('X-Trace_Id'), Buffer.from('t1')],
  ] as const
  const value = Buffer.from('{"a":1}')
  assert.deepEqual(wrapRecord(record({ key: Buffer.from('k1'), value, headers }), AT), {
    attributes: {
      specversion: '1.0',
      id: 'partition:3/offset:7',
      source: '/topics/orders',
      type: 'dev.knative.kafka.event',
      subject: 'partition:3#7',
      time: '1970-01-01T00:00:00.000Z',
      key: 'k1',
      partitionkey: 'k1',
      datacontenttype: 'application/json',
      kafkaheaderxtraceid: 't1',
    },
    data: { kind: 'json', bytes: value },
  })
})

test('in the name of a KafkaSource, the source is its resource', () => {
  const event = wrapRecord(record(), AT, { namespace: 'events', name: 'legacy' })
  const source = '/apis/v1/namespaces/events/kafkasources/legacy#orders'
  assert.equal(event.attributes.source, source)
})

test('any record at all becomes an event that can be written and read', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
  const anyRecord = fc.record({
    offset: fc.nat(),
    timestamp: fc.nat(),
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.tuple(bytes, fc.option(bytes)), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(anyRecord, (each) => {
      const event = wrapRecord(each, AT)
      const { headers, key, value } = encodeRecord(event, 'orders')
      const read = decodeRecord(
        record({
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: headers.map(([name, text]) => [Buffer.from(name), Buffer.from(text ?? '')]),
        }),
      )
      assert.equal(read.attributes.id, event.attributes.id)
      assert.equal(read.attributes['partitionkey'], event.attributes['partitionkey'])
    }),
    { numRuns: 500 },
  )
})
