import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalText, checkAttributes } from '../../../runtime/codec/attributes.ts'
import {
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
} from '../../../runtime/codec/http.ts'
import {
  decodeJson,
  decodeJsonBatch,
  encodeJson,
  encodeJsonBatch,
} from '../../../runtime/codec/json-format.ts'
import { decodeRecord, encodeRecord } from '../../../runtime/codec/record.ts'
import type { LogRecord } from '../../../runtime/contract/broker.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import { anyEvent } from '../../support/event-arbitraries.ts'

/** Headers carry every value as its canonical text. */
function asText({ attributes, data }: Event): Event {
  const texts = Object.entries(attributes).map(([name, value]) => [
    name,
    canonicalText(value ?? ''),
  ])
  return { attributes: Object.fromEntries(texts) as Event['attributes'], data }
}

/** White space around a JSON value is no part of it, and an envelope does not carry it. */
function withoutSpace({ attributes, data }: Event): Event {
  if (data?.kind !== 'json') return { attributes, data }
  try {
    JSON.parse(data.bytes.toString())
  } catch {
    return { attributes, data }
  }
  return { attributes, data: { ...data, bytes: Buffer.from(data.bytes.toString().trim()) } }
}

/** HTTP does not tell an empty body from none, nor does a record under a JSON type. */
function withoutEmpty(event: Event, empty: (data: NonNullable<Event['data']>) => boolean): Event {
  const { attributes, data } = event
  return data?.bytes.length === 0 && empty(data) ? { attributes, data: undefined } : event
}

function asRead(event: Event): LogRecord {
  const { headers, value, key } = encodeRecord(event, 't')
  return {
    offset: 0,
    timestamp: 0,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(
      ([name, text]) => [Buffer.from(name), text === null ? null : Buffer.from(text)] as const,
    ),
  }
}

function bodyOf(message: { body: Buffer | undefined }): Buffer {
  return message.body ?? Buffer.alloc(0)
}

test('every event comes back from its JSON', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      assert.deepEqual(decodeJson(encodeJson(event)), withoutSpace(event))
    }),
    { numRuns: 500 },
  )
})

test('every batch comes back from its JSON', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 4 }), (events) => {
      assert.deepEqual(decodeJsonBatch(encodeJsonBatch(events)), events.map(withoutSpace))
    }),
  )
})

test('every event comes back from its record', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const expected = withoutEmpty(asText(event), ({ kind }) => kind === 'json')
      assert.deepEqual(decodeRecord(asRead(event)), expected)
    }),
    { numRuns: 500 },
  )
})

test('every event comes back from a binary HTTP message', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const message = encodeHttpBinary(event)
      const { events } = decodeHttp(Object.entries(message.headers).flat(), bodyOf(message))
      assert.deepEqual(events, [withoutEmpty(asText(event), () => true)])
    }),
    { numRuns: 500 },
  )
})

test('every event comes back from structured and batched HTTP messages', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      for (const message of [encodeHttpStructured(event), encodeHttpBatch([event])]) {
        const { events } = decodeHttp(message.headers, bodyOf(message))
        assert.deepEqual(events, [withoutSpace(event)])
      }
    }),
  )
})

test('what a binding reads is what the check of attributes takes, unchanged', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const { attributes } = decodeRecord(asRead(event))
      assert.deepEqual(checkAttributes(attributes), attributes)
    }),
  )
})
