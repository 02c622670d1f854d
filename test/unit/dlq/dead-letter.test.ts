import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeRecord, encodeRecord } from '../../../runtime/codec/record.ts'
import type { AppendRecord, LogRecord } from '../../../runtime/contract/broker.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import type { Fault } from '../../../runtime/contract/outcome.ts'
import { deadLetterRecord } from '../../../runtime/dlq/dead-letter.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

const TRIGGER: TriggerManifest = {
  ...sampleTrigger('orders'),
  function: 'pricer',
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

function letter(fault: Partial<Fault> = {}): LogRecord {
  const record = stored(encodeRecord(EVENT, TRIGGER.topic))
  return stored(
    deadLetterRecord(
      {
        trigger: TRIGGER,
        topic: TRIGGER.topic,
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

  it('says in its own headers what failed, how often, and where the event came from', () => {
    const record = letter({ stack: 'at functions/pricer.ts:1:1' })
    assert.equal(header(record, 'millrace-code'), 'FN_HANDLER_THREW')
    assert.equal(header(record, 'millrace-attempts'), '6')
    assert.equal(header(record, 'millrace-trigger'), 'events/orders')
    assert.equal(header(record, 'millrace-origin'), 'knative-broker-events-kafka-broker/3/42')
    assert.equal(header(record, 'millrace-stack'), 'at functions/pricer.ts:1:1')
  })

  it('adds at most 32 KiB, whatever the handler threw', () => {
    const record = letter({ message: '€'.repeat(1_000_000), stack: 's'.repeat(1_000_000) })
    const plain = stored(encodeRecord(EVENT, TRIGGER.topic))
    assert.ok(sizeOf(record) - sizeOf(plain) <= 32 * 1024)
    // An error text of more than 768 bytes made Knative's core dispatcher panic.
    const data = Buffer.from(header(record, 'ce_knativeerrordata') ?? '', 'base64')
    assert.ok(data.length > 1_000 && data.length <= 1_024)
    assert.ok(!data.toString().includes('\ufffd'), 'cut between characters')
  })
})

function sizeOf(record: LogRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0)
  return bytes
}
