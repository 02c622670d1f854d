import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecord } from '../../../runtime/codec/record.ts'
import type { AppendRecord, LogRecord } from '../../../runtime/contract/broker.ts'
import { deadLetterRecord } from '../../../runtime/dlq/dead-letter.ts'
import { retryRecord } from '../../../runtime/dlq/retry-record.ts'
import { sampleEvent } from '../../support/event-arbitraries.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

function stored(record: AppendRecord): LogRecord {
  const headers = record.headers.map(
    ([name, value]) => [Buffer.from(name), value === null ? null : Buffer.from(value)] as const,
  )
  const { key, value } = record
  return {
    offset: 7,
    timestamp: 0,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers,
  }
}

test('a replay takes off what the failure added, and nothing of the event', () => {
  const event = sampleEvent({ reason: 'bought', time: '2026-01-02T03:04:05Z' })
  const trigger = sampleTrigger('orders')
  const original = stored(encodeRecord(event, trigger.topic))
  const letter = deadLetterRecord(
    {
      trigger,
      topic: trigger.topic,
      partition: 1,
      record: original,
      event,
      fault: {
        code: 'FN_SUBSCRIBER_FAILED',
        class: 'Http500',
        message: 'no',
        response: {
          dest: 'http://pricer/',
          status: 500,
          body: 'eA==',
          extensions: { reason: 'stock', advice: 'wait' },
        },
      },
      attempts: 1,
      firstFailedAt: 0,
    },
    { topic: 'g.dlq', version: 'v1', encode: encodeRecord },
  )
  const replayed = retryRecord('g.dlq/0/7', stored(letter), { topic: 'g.retry', partitions: 3 })
  const attributes = stored(replayed).headers.filter(([name]) => name.toString().startsWith('ce_'))
  assert.deepEqual(attributes, original.headers)
})
