import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeRecord, encodeRecord } from '../../../runtime/codec/record.ts'
import type { AppendRecord, LogRecord } from '../../../runtime/contract/broker.ts'
import type { Attributes, Event } from '../../../runtime/contract/event.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import type { Fault } from '../../../runtime/contract/outcome.ts'
import { deadLetterRecord } from '../../../runtime/dlq/dead-letter.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

const TRIGGER: TriggerManifest = {
  ...sampleTrigger('orders'),
  subscriber: { kind: 'function', name: 'pricer' },
}

const EVENT: Event = {
  attributes: {
    specversion: '1.0',
    id: 'a1',
    source: 'orders-service',
    type: 'com.company.orders.created',
    datacontenttype: 'application/json',
    partitionkey: 'customer-7',
  },
  data: { kind: 'json', bytes: Buffer.from('{"amount": 1.0}') },
}

function stored(record: AppendRecord): LogRecord {
  return {
    offset: 42,
    timestamp: 0,
    key: record.key === null ? null : Buffer.from(record.key),
    value: record.value === null ? null : Buffer.from(record.value),
    headers: record.headers.map(
      ([name, value]) => [Buffer.from(name), value === null ? null : Buffer.from(value)] as const,
    ),
  }
}

interface Given {
  fault?: Partial<Fault>
  /** The record that failed. */
  record?: LogRecord
  /** Where it was read. */
  topic?: string
}

function letterOf({ fault = {}, record = original(), topic = TRIGGER.topic }: Given): LogRecord {
  return stored(
    deadLetterRecord(
      {
        trigger: TRIGGER,
        topic,
        partition: 3,
        record,
        event: decodeRecord(record),
        fault: { code: 'FN_HANDLER_THREW', class: 'TypeError', message: 'no stock', ...fault },
        attempts: 6,
        firstFailedAt: 0,
      },
      { topic: `${TRIGGER.group}.dlq`, version: 'v1', encode: encodeRecord },
    ),
  )
}

function letter(fault: Partial<Fault> = {}): LogRecord {
  return letterOf({ fault })
}

/** As another producer may have written it, with headers that are not the event's. */
function original(added: Array<[string, string]> = []): LogRecord {
  const record = stored(encodeRecord(EVENT, TRIGGER.topic))
  const headers = added.map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const)
  return { ...record, headers: [...record.headers, ...headers] }
}

function header(record: LogRecord, name: string): string | undefined {
  return record.headers.find(([key]) => key.toString() === name)?.[1]?.toString()
}

describe('deadLetterRecord', () => {
  it('keeps key, attributes and data byte for byte', () => {
    const record = letter()
    assert.equal(record.key?.toString(), 'customer-7')
    assert.equal(record.value?.toString(), '{"amount": 1.0}')
    const { attributes } = decodeRecord(record)
    for (const [name, value] of Object.entries(EVENT.attributes))
      assert.equal(attributes[name], value)
  })

  it("adds Knative's three attributes in the form of its Kafka broker", () => {
    const { attributes } = decodeRecord(letter())
    assert.equal(attributes['knativeerrordest'], '/events/functions/pricer')
    assert.equal(attributes['knativeerrorcode'], '500')
    assert.equal(
      Buffer.from(String(attributes['knativeerrordata']), 'base64').toString(),
      'TypeError: no stock',
    )
  })

  it('says of an HTTP subscriber what it answered, in the form of the Kafka broker', () => {
    const response = {
      dest: 'http://pricer.events.svc/',
      status: 503,
      body: Buffer.from('out of stock').toString('base64'),
    }
    const { attributes } = decodeRecord(letter({ code: 'FN_SUBSCRIBER_FAILED', response }))
    assert.deepEqual(knativeErrors(attributes), {
      knativeerrordest: 'http://pricer.events.svc/',
      knativeerrorcode: '503',
      knativeerrordata: 'b3V0IG9mIHN0b2Nr',
    })
  })

  it('says of an HTTP subscriber that did not answer only its address', () => {
    const dest = 'http://pricer.events.svc/'
    const silent = decodeRecord(letter({ code: 'FN_SUBSCRIBER_TIMEOUT', response: { dest } }))
    assert.deepEqual(knativeErrors(silent.attributes), { knativeerrordest: dest })
    const empty = letter({ code: 'FN_SUBSCRIBER_REFUSED', response: { dest, status: 400 } })
    assert.deepEqual(knativeErrors(decodeRecord(empty).attributes), {
      knativeerrordest: dest,
      knativeerrorcode: '400',
    })
  })

  it('adds what an HTTP subscriber said in kne- headers, but not over what the event says', () => {
    const response = {
      dest: 'http://filter.knative-eventing.svc/',
      status: 500,
      extensions: {
        reason: 'no stock',
        partitionkey: 'customer-8',
        knativeerrordest: 'http://pricer.events.svc/',
      },
    }
    const record = letter({ code: 'FN_SUBSCRIBER_FAILED', response })
    const { attributes } = decodeRecord(record)
    assert.equal(attributes['reason'], 'no stock')
    assert.equal(attributes['partitionkey'], 'customer-7')
    assert.equal(attributes['knativeerrordest'], 'http://pricer.events.svc/')
    assert.equal(header(record, 'millrace-extensions'), 'reason')
  })

  it('says in its own headers what failed, how often, and where the event came from', () => {
    const record = letter({ stack: 'at functions/pricer.ts:1:1' })
    assert.equal(header(record, 'millrace-code'), 'FN_HANDLER_THREW')
    assert.equal(header(record, 'millrace-attempts'), '6')
    assert.equal(header(record, 'millrace-trigger'), 'events/orders')
    assert.equal(header(record, 'millrace-origin'), 'knative-broker-events-kafka-broker/3/42')
    assert.equal(header(record, 'millrace-stack'), 'at functions/pricer.ts:1:1')
  })

  it('keeps the bytes of any binary-mode record', () => {
    for (const [contentType, value] of [
      ['application/json', '{ not json'],
      ['application/json', ''],
      ['text/plain', ''],
      ['application/octet-stream', Buffer.from([0xff, 0, 0xc0])],
      [undefined, 'anything'],
      ['application/json', null],
    ] as const) {
      const record: LogRecord = {
        ...original(),
        value: value === null ? null : Buffer.from(value),
        headers: [
          ...original().headers.filter(([name]) => name.toString() !== 'content-type'),
          ...(contentType === undefined
            ? []
            : [[Buffer.from('content-type'), Buffer.from(contentType)] as const]),
        ],
      }
      const kept = letterOf({ record })
      assert.deepEqual(kept.value, record.value, `${contentType}: ${String(value)}`)
      assert.equal(header(kept, 'content-type'), contentType)
    }
  })

  it('keeps headers that are not of the event, but not what an earlier dead letter said', () => {
    const record = letterOf({
      record: original([
        ['traceparent', '00-1-2-01'],
        ['x-team', 'orders'],
        ['millrace-code', 'FN_FORGED'],
      ]),
    })
    assert.equal(header(record, 'traceparent'), '00-1-2-01')
    assert.equal(header(record, 'x-team'), 'orders')
    assert.equal(header(record, 'millrace-code'), 'FN_HANDLER_THREW')
    const codes = record.headers.filter(([name]) => name.toString() === 'millrace-code')
    assert.equal(codes.length, 1)
  })

  it('keeps the origin of an event that fails again after a replay', () => {
    const replay = original([
      ['millrace-origin', 'knative-broker-events-kafka-broker/1/7'],
      ['millrace-replay-of', 'g.dlq/0/3'],
    ])
    const again = letterOf({ record: replay, topic: `${TRIGGER.group}.retry` })
    assert.equal(header(again, 'millrace-origin'), 'knative-broker-events-kafka-broker/1/7')
    assert.equal(header(again, 'millrace-replay-of'), 'g.dlq/0/3')
    // In the broker's own topic such a header is a stranger's.
    const forged = letterOf({ record: replay })
    assert.equal(header(forged, 'millrace-origin'), 'knative-broker-events-kafka-broker/3/42')
    assert.equal(header(forged, 'millrace-replay-of'), undefined)
    const broken = original([['millrace-origin', 'nowhere']])
    const own = letterOf({ record: broken, topic: `${TRIGGER.group}.retry` })
    assert.equal(header(own, 'millrace-origin'), `${TRIGGER.group}.retry/3/42`)
  })

  it('adds at most 32 KiB, whatever the handler threw', () => {
    const record = letter({
      class: 'C'.repeat(1024 * 1024),
      message: '€'.repeat(1024 * 1024),
      stack: 's'.repeat(1024 * 1024),
    })
    const plain = stored(encodeRecord(EVENT, TRIGGER.topic))
    assert.ok(sizeOf(record) - sizeOf(plain) <= 32 * 1024)
    // An error text of more than 768 bytes made Knative's core dispatcher panic.
    const data = Buffer.from(header(record, 'ce_knativeerrordata') ?? '', 'base64')
    assert.ok(data.length > 1_000 && data.length <= 1_024)
    for (const text of [data.toString(), header(record, 'millrace-message') ?? '']) {
      assert.ok(!text.includes('\ufffd'), 'cut between characters')
    }
  })

  it('adds at most 32 KiB, whatever an HTTP subscriber answered', () => {
    const names = Array.from({ length: 16 }, (_, i) => `x${i}`)
    const record = letter({
      class: 'C'.repeat(1024 * 1024),
      message: '€'.repeat(1024 * 1024),
      stack: 's'.repeat(1024 * 1024),
      response: {
        dest: `http://host/${'d'.repeat(1024 * 1024)}`,
        status: 599,
        body: Buffer.alloc(1_024, 'b').toString('base64'),
        extensions: Object.fromEntries(names.map((name) => [name, 'v'.repeat(250)])),
      },
    })
    const plain = stored(encodeRecord(EVENT, TRIGGER.topic))
    assert.ok(sizeOf(record) - sizeOf(plain) <= 32 * 1024)
  })
})

function knativeErrors(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes).filter(([name]) => name.startsWith('knativeerror')),
  )
}

function sizeOf(record: LogRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0)
  return bytes
}
