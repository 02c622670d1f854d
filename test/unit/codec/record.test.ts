import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeJson } from '../../../runtime/codec/json-format.ts'
import { decodeRecord, encodeRecord, partitionText } from '../../../runtime/codec/record.ts'
import type { AppendRecord, LogRecord } from '../../../runtime/contract/broker.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { anyEvent, sampleEvent } from '../../support/event-arbitraries.ts'

type Header = readonly [string, string | Buffer | null]

const CE: readonly Header[] = [
  ['ce_specversion', '1.0'],
  ['ce_id', 'A-1'],
  ['ce_source', '/shop'],
  ['ce_type', 'com.example.t'],
]

/** A record as a driver gives it: names and values as bytes. */
function record(headers: readonly Header[], value: string | Buffer | null = null): LogRecord {
  return {
    offset: 0,
    timestamp: 0,
    key: null,
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(
      ([name, text]) => [Buffer.from(name), text === null ? null : Buffer.from(text)] as const,
    ),
  }
}

function stored({ headers, value }: AppendRecord): LogRecord {
  return record(headers as Header[], value)
}

function refuses(refused: LogRecord, said: RegExp, code = 'FN_EVENT_INVALID'): void {
  assert.throws(
    () => decodeRecord(refused),
    (error: unknown) => {
      assert.ok(isMillraceError(error), String(error))
      assert.equal(error.code, code)
      assert.match(error.message, said)
      return true
    },
  )
}

function headersOf(event: Event): Record<string, unknown> {
  return Object.fromEntries(encodeRecord(event, 't').headers as Header[])
}

function json(text: string): Event['data'] {
  return { kind: 'json', bytes: Buffer.from(text) }
}

describe('binary mode', () => {
  test('K1 the data is the value as it is, the content type a header, the rest ce_ headers', () => {
    const event = sampleEvent(
      { datacontenttype: 'application/json', subject: 's' },
      json('{"n": 12345678901234567890}'),
    )
    const written = encodeRecord(event, 'orders')
    assert.equal(written.topic, 'orders')
    assert.equal(written.value, event.data?.bytes)
    assert.deepEqual(written.headers, [
      ...CE,
      ['ce_subject', 's'],
      ['content-type', 'application/json'],
    ])
    assert.deepEqual(decodeRecord(stored(written)), event)
  })

  test('K3 any content type but a CloudEvents one, or none, is binary mode', () => {
    assert.deepEqual(decodeRecord(record(CE, 'x')).data, {
      kind: 'binary',
      bytes: Buffer.from('x'),
    })
    const text = decodeRecord(record([...CE, ['content-type', 'text/plain']], 'x'))
    assert.deepEqual(text.data, { kind: 'text', bytes: Buffer.from('x') })
  })

  test('K8 content-type is datacontenttype as written; ce_datacontenttype is not written', () => {
    const type = 'TEXT/Plain; CharSet=utf-8'
    const event = decodeRecord(record([...CE, ['content-type', type]], 'x'))
    assert.equal(event.attributes.datacontenttype, type)
    assert.ok(!('ce_datacontenttype' in headersOf(event)))
  })

  test('K8 a ce_datacontenttype as the JavaScript SDK writes it is read if it agrees', () => {
    const declared: Header = ['ce_datacontenttype', 'Application/JSON']
    const both = decodeRecord(record([declared, ...CE, ['content-type', 'application/json']], '1'))
    assert.equal(both.attributes.datacontenttype, 'application/json')
    assert.deepEqual(decodeRecord(record([...CE, declared], '1')).data, json('1'))
    refuses(record([...CE, declared, ['content-type', 'text/plain']]), /ce_datacontenttype is/)
  })

  test('K9 the value is the byte sequence of the data, of any kind', () => {
    const bytes = Buffer.from([0, 255, 128])
    const event = sampleEvent({ datacontenttype: 'image/png' }, { kind: 'binary', bytes })
    assert.equal(encodeRecord(event, 't').value, bytes)
    assert.deepEqual(decodeRecord(stored(encodeRecord(event, 't'))), event)
  })

  test('K10 no data is a null value both ways', () => {
    assert.equal(encodeRecord(sampleEvent(), 't').value, null)
    assert.deepEqual(decodeRecord(record(CE, null)), sampleEvent())
    const typed = decodeRecord(record([...CE, ['content-type', 'application/json']], null))
    assert.deepEqual(typed, sampleEvent({ datacontenttype: 'application/json' }))
  })

  test('J11 null data is the value "null", not a null value', () => {
    const event = sampleEvent({ datacontenttype: 'application/json' }, json('null'))
    assert.deepEqual(decodeRecord(stored(encodeRecord(event, 't'))), event)
  })

  test('an empty value is empty data, but no data where the content type is JSON', () => {
    for (const [type, kind] of [
      ['text/plain', 'text'],
      ['image/png', 'binary'],
    ] as const) {
      const event = decodeRecord(record([...CE, ['content-type', type]], ''))
      assert.deepEqual(event.data, { kind, bytes: Buffer.alloc(0) })
    }
    assert.equal(decodeRecord(record([...CE, ['content-type', 'a/b+json']], '')).data, undefined)
  })

  test('K11 names and values are UTF-8 without percent-encoding, all values text', () => {
    const event = sampleEvent({ subject: 'Euro € 😀 100%', n: -5, flag: false, no: undefined })
    const headers = headersOf(event)
    assert.equal(headers['ce_subject'], 'Euro € 😀 100%')
    assert.equal(headers['ce_n'], '-5')
    assert.equal(headers['ce_flag'], 'false')
    assert.ok(!('ce_no' in headers))
    const { attributes } = decodeRecord(stored(encodeRecord(event, 't')))
    assert.equal(attributes.subject, 'Euro € 😀 100%')
    assert.equal(decodeRecord(record([...CE, ['ce_subject', '%41']])).attributes.subject, '%41')
  })

  test('K11 refuses header values that are not UTF-8', () => {
    const bad = Buffer.from([0x61, 0xff])
    refuses(record([...CE, ['ce_subject', bad]]), /ce_subject is not UTF-8.*61ff/)
    refuses(record([...CE, ['content-type', bad]]), /content-type is not UTF-8/)
    refuses(record([...CE, ['ce_datacontenttype', bad]]), /ce_datacontenttype is not UTF-8/)
    assert.deepEqual(decodeRecord(record([...CE, ['trace', bad]])), sampleEvent())
  })

  test('K16 header values come as bytes and become strings', () => {
    for (const value of Object.values(decodeRecord(record(CE)).attributes)) {
      assert.equal(typeof value, 'string')
    }
  })

  test('C1 refuses a record that lacks a required header', () => {
    for (const [name] of CE) {
      refuses(
        record(CE.filter((header) => header[0] !== name)),
        new RegExp(`lacks "${name.slice(3)}"`),
      )
    }
  })

  test('C3 refuses ce_ headers that are no attribute names', () => {
    for (const name of ['ce_My-Ext', 'ce_a_b', 'ce_é', 'ce_', 'ce_ID']) {
      refuses(record([...CE, [name, 'x']]), /Attribute name/)
    }
    refuses(record([...CE, ['ce_data', 'x']]), /"data" is no attribute name/)
  })

  test('C6 refuses a header of one attribute that is there twice', () => {
    refuses(record([...CE, ['ce_id', 'A-1']]), /"id" occurs twice/)
    refuses(record([...CE, ['ce_id', 'é']]), /"id" occurs twice/)
    const type: Header = ['content-type', 'text/plain']
    refuses(record([...CE, type, type]), /"datacontenttype" occurs twice/)
    const declared: Header = ['ce_datacontenttype', 'text/plain']
    refuses(record([...CE, declared, declared]), /"datacontenttype" occurs twice/)
  })

  test('C9 C10 refuses forbidden characters', () => {
    refuses(record([...CE, ['ce_subject', 'a\n']]), /U\+000A/)
    refuses(record([...CE, ['ce_subject', '\ufffe']]), /U\+FFFE/)
  })

  test('C12 C14 C15 C16 hold the values of core attributes to their rules and keep their text', () => {
    refuses(record([...CE, ['ce_time', 'now']]), /"time" is "now"/)
    refuses(record([...CE, ['ce_subject', '']]), /"subject" is ""/)
    refuses(record([...CE, ['ce_dataschema', 'x']]), /"dataschema" is "x"/)
    refuses(record([...CE, ['content-type', 'json']]), /"datacontenttype" is "json"/)
    const time = '2018-04-05T17:31:24.123456789+02:00'
    assert.equal(decodeRecord(record([...CE, ['ce_time', time]])).attributes.time, time)
  })

  test('each record has its own content type, also where names or values are equally long', () => {
    for (const type of ['text/plain', 'image/jpeg', 'text/plain']) {
      const headers: Header[] = [...CE, ['not-the-type', 'x'], ['content-type', type]]
      assert.equal(decodeRecord(record(headers, 'x')).attributes.datacontenttype, type)
    }
  })

  test('a header without a value is an attribute that is not set', () => {
    assert.deepEqual(
      decodeRecord(record([...CE, ['ce_ext', null], ['content-type', null]])),
      sampleEvent(),
    )
  })

  test('a record that is no CloudEvent is refused as such', () => {
    refuses(record([], 'x'), /neither ce_ headers nor/)
    refuses(record([['content-type', 'application/json']], '{}'), /neither ce_ headers nor/)
    refuses(record([['key', 'x']], null), /neither ce_ headers nor/)
  })

  test('attributes longer than the room where they are gathered are read too', () => {
    const long = 'x'.repeat(3_000)
    const event = sampleEvent({ a: long, b: long, c: long, d: 'é', e: 'end' })
    assert.deepEqual(decodeRecord(stored(encodeRecord(event, 't'))), event)
  })

  test('attributes keep the order of the headers, those beyond ASCII included', () => {
    const headers: Header[] = [['ce_b', 'é'], ['ce_a', 'x'], ...CE, ['ce_c', '€']]
    const names = Object.keys(decodeRecord(record(headers)).attributes)
    assert.deepEqual(names, ['b', 'a', 'specversion', 'id', 'source', 'type', 'c'])
  })

  test('a record that was refused leaves nothing behind for the next one', () => {
    refuses(
      record([
        ['ce_ext', 'x'],
        ['ce_a_b', 'x'],
      ]),
      /Attribute name/,
    )
    assert.deepEqual(decodeRecord(record(CE)), sampleEvent())
  })

  test('J16 JSON data without a content type is written as application/json', () => {
    assert.equal(headersOf(sampleEvent({}, json('"x"')))['content-type'], 'application/json')
  })

  test('J17 binary data without a content type is written without content-type', () => {
    const event = sampleEvent({}, { kind: 'binary', bytes: Buffer.from('x') })
    assert.ok(!('content-type' in headersOf(event)))
  })
})

describe('structured mode', () => {
  const type: Header = ['content-type', 'application/cloudevents+json; charset=UTF-8']

  test('K2 K3 a JSON event is read, its content type in any case', () => {
    const event = sampleEvent({ datacontenttype: 'application/json', n: 5 }, json('{"a":1}'))
    for (const text of ['application/cloudevents+json', 'Application/CloudEvents+JSON', type[1]]) {
      assert.deepEqual(decodeRecord(record([['content-type', text]], encodeJson(event))), event)
    }
  })

  test('K4 a batch is refused, and never written', () => {
    const code = 'FN_EVENT_UNSUPPORTED_MEDIA_TYPE'
    for (const batch of [
      'application/cloudevents-batch+json',
      'Application/CloudEvents-Batch+JSON; a=b',
    ]) {
      refuses(record([...CE, ['content-type', batch]], '[]'), /one event/, code)
    }
    fc.assert(
      fc.property(anyEvent, (event) => {
        assert.doesNotMatch(String(headersOf(event)['content-type']), /cloudevents/)
      }),
    )
  })

  test('another event format is refused as such', () => {
    const code = 'FN_EVENT_UNSUPPORTED_MEDIA_TYPE'
    refuses(
      record([...CE, ['content-type', 'application/cloudevents+avro']]),
      /not supported/,
      code,
    )
  })

  test('K12 an event without data is no tombstone, and a null value is no event', () => {
    const event = decodeRecord(record([type], encodeJson(sampleEvent())))
    assert.equal(event.data, undefined)
    refuses(record([type, ...CE], null), /has no value/)
    refuses(record([type, ...CE], ''), /no bytes/)
  })

  test('K13 the content type of the data is in the payload, not in the header', () => {
    const event = decodeRecord(record([type], encodeJson(sampleEvent({}, json('1')))))
    assert.equal(event.attributes.datacontenttype, undefined)
  })

  test('K14 the payload wins over ce_ headers, whatever those hold', () => {
    const headers: Header[] = [['ce_id', 'other'], ['ce_a_b', Buffer.from([0xff])], type]
    assert.deepEqual(decodeRecord(record(headers, encodeJson(sampleEvent()))), sampleEvent())
  })

  test('K15 an event without time is read without time', () => {
    const { attributes } = decodeRecord(record([type], encodeJson(sampleEvent())))
    assert.ok(!('time' in attributes))
  })
})

describe('key and partition', () => {
  test('K5 K6 the key is the partition key as it is, or null', () => {
    assert.equal(encodeRecord(sampleEvent({ partitionkey: 'c-é' }), 't').key, 'c-é')
    assert.equal(encodeRecord(sampleEvent({ partitionkey: 7 }), 't').key, '7')
    assert.equal(encodeRecord(sampleEvent(), 't').key, null)
    assert.equal(encodeRecord(sampleEvent({ partitionkey: '' }), 't').key, null)
  })

  test('K7 the partition key stays an attribute, and the key of a record adds none', () => {
    const event = sampleEvent({ partitionkey: 'c' })
    assert.equal(headersOf(event)['ce_partitionkey'], 'c')
    const keyed = { ...record(CE), key: Buffer.from('other') }
    assert.deepEqual(decodeRecord(keyed), sampleEvent())
  })

  test('the partition is chosen by the partition key, else by source and id', () => {
    assert.equal(partitionText(sampleEvent({ partitionkey: 'c' }).attributes), 'c')
    assert.equal(partitionText(sampleEvent().attributes), '/shop\0A-1')
    assert.equal(partitionText(sampleEvent({ partitionkey: '' }).attributes), '/shop\0A-1')
    assert.equal(encodeRecord(sampleEvent(), 't').partitionBy, '/shop\0A-1')
  })
})

test('C18 an event of 64 KiB and more passes unchanged', () => {
  const event = sampleEvent(
    { datacontenttype: 'application/json' },
    json(`"${'x'.repeat(64 * 1024)}"`),
  )
  assert.deepEqual(decodeRecord(stored(encodeRecord(event, 't'))), event)
})

test('any record either is an event or is refused with a code', () => {
  const name = fc.oneof(
    fc.constantFrom('ce_id', 'ce_source', 'ce_type', 'ce_specversion', 'ce_time', 'content-type'),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  )
  const value = fc.oneof(
    fc.constantFrom('1.0', 'x', 'application/cloudevents+json', 'application/json', null),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, value)),
      fc.uint8Array(),
      fc.boolean(),
      (headers, bytes, full) => {
        try {
          const all = [...(full ? CE : []), ...headers] as Header[]
          decodeRecord(record(all, Buffer.from(bytes)))
        } catch (error) {
          assert.ok(isMillraceError(error), String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})
