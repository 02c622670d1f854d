import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents'
import fc from 'fast-check'
import {
  attributesToJson,
  decodeJson,
  decodeJsonBatch,
  encodeJson,
  encodeJsonBatch,
} from '../../../runtime/codec/json-format.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { anyEvent, sampleEvent } from '../../support/event-arbitraries.ts'

const BASE = '"specversion":"1.0","id":"A-1","source":"/shop","type":"com.example.t"'

function decode(members: string): Event {
  return decodeJson(Buffer.from(`{${BASE}${members === '' ? '' : `,${members}`}}`))
}

function refuses(members: string, said: RegExp): void {
  assert.throws(
    () => decode(members),
    (error: unknown) => {
      assert.ok(isMillraceError(error, 'FN_EVENT_INVALID'), String(error))
      assert.match(error.message, said)
      return true
    },
  )
}

function encoded(event: Event): Record<string, unknown> {
  return JSON.parse(encodeJson(event).toString()) as Record<string, unknown>
}

function json(text: string): Event['data'] {
  return { kind: 'json', bytes: Buffer.from(text) }
}

describe('attributes', () => {
  test('C1 refuses a JSON event that lacks a required attribute', () => {
    assert.throws(
      () => decodeJson(Buffer.from('{"specversion":"1.0","id":"1"}')),
      /"source", "type"/,
    )
  })

  test('C3 refuses member names that are no attribute names', () => {
    for (const name of ['My-Ext', 'a_b', 'é', '', '__proto__', 'data_', 'data_base65']) {
      refuses(`${JSON.stringify(name)}:"x"`, /Attribute name/)
    }
  })

  test('C6 refuses a member that occurs twice, also when written with escapes or null', () => {
    refuses('"id":"B"', /"id" occurs twice/)
    refuses('"\\u0069d":"B"', /"id" occurs twice/)
    refuses('"ext":1,"ext":1', /"ext" occurs twice/)
    refuses('"ext":null,"ext":1', /"ext" occurs twice/)
    refuses('"ext":null,"ext":null', /"ext" occurs twice/)
    refuses('"data":1,"data":2', /"data" occurs twice/)
    refuses('"data":1,"d\\u0061ta":2', /"data" occurs twice/)
    refuses('"data_base64":"","data_base64":""', /"data_base64" occurs twice/)
  })

  test('C6 takes an attribute by the name of constructor once, and refuses it twice', () => {
    assert.equal(decode('"constructor":"x"').attributes['constructor'], 'x')
    refuses('"constructor":"x","constructor":"x"', /"constructor" occurs twice/)
  })

  test('C7 refuses integers outside int32', () => {
    assert.equal(decode('"ext":2147483647').attributes['ext'], 2_147_483_647)
    refuses('"ext":2147483648', /"ext" is 2147483648/)
    refuses('"ext":-99999999999999999999', /"ext" is/)
  })

  test('C8 refuses fractions, exponents, objects and arrays as attributes', () => {
    for (const value of ['1.5', '1.0', '1e3', '{}', '{"a":1}', '["x"]']) {
      refuses(`"ext":${value}`, /Attribute "ext" is/)
    }
    refuses('"id2":"x","subject":5', /"subject" is 5/)
  })

  test('C9 and C10 refuse forbidden characters written as escapes', () => {
    refuses('"subject":"a\\u0000"', /U\+0000/)
    refuses('"subject":"\\uDEAD"', /U\+DEAD/)
    assert.equal(decode('"subject":"\\uD800\\uDEAD"').attributes.subject, '\u{102AD}')
  })

  test('C12 refuses a time that is not RFC 3339 instead of replacing it', () => {
    refuses('"time":"now"', /"time" is "now"/)
  })

  test('C13 invents neither time nor id nor anything else', () => {
    assert.deepEqual(Object.keys(decode('').attributes), ['specversion', 'id', 'source', 'type'])
  })

  test('C14 keeps the text of a time both ways', () => {
    const time = '2018-04-05T17:31:24.123456789+02:00'
    const event = decode(`"time":"${time}"`)
    assert.equal(event.attributes.time, time)
    assert.equal(encoded(event)['time'], time)
  })

  test('J1 extensions are members of the envelope both ways', () => {
    const event = decode('"comexampleextension1":"value"')
    assert.equal(event.attributes['comexampleextension1'], 'value')
    assert.equal(encoded(event)['comexampleextension1'], 'value')
  })

  test('J2 integers are JSON numbers, booleans JSON booleans, the rest strings', () => {
    const event = decode('"a":-5,"b":true,"c":false,"d":"5","e":0')
    assert.deepEqual(event.attributes, {
      ...sampleEvent().attributes,
      a: -5,
      b: true,
      c: false,
      d: '5',
      e: 0,
    })
    assert.match(encodeJson(event).toString(), /"a":-5,"b":true,"c":false,"d":"5","e":0/)
  })

  test('J3 a null attribute is unset, core and extension alike', () => {
    const event = decode('"subject":null,"time":null,"unsetextension":null')
    assert.deepEqual(event, sampleEvent())
  })

  test('J5 all attributes become members of their own name', () => {
    const { attributes } = sampleEvent({
      subject: 's',
      time: '2026-01-02T03:04:05Z',
      dataschema: 'urn:a:b',
      datacontenttype: 'text/plain',
      ext: 1,
    })
    assert.deepEqual(encoded({ attributes, data: undefined }), { ...attributes })
  })

  test('attributes become the text of a JSON object, with their types', () => {
    fc.assert(
      fc.property(anyEvent, ({ attributes }) => {
        assert.deepEqual(JSON.parse(attributesToJson(attributes)), { ...attributes })
      }),
    )
  })
})

describe('data', () => {
  test('J6 binary data becomes data_base64', () => {
    const bytes = Buffer.from([0, 255, 128])
    const event = sampleEvent({ datacontenttype: 'image/png' }, { kind: 'binary', bytes })
    assert.equal(encoded(event)['data_base64'], 'AP+A')
    assert.ok(!('data' in encoded(event)))
  })

  test('J7 binary data without a content type gets none', () => {
    const event = sampleEvent({}, { kind: 'binary', bytes: Buffer.from('{"a":1}') })
    assert.ok(!('datacontenttype' in encoded(event)))
    assert.deepEqual(decodeJson(encodeJson(event)), event)
  })

  for (const type of ['application/json', 'text/json; charset=utf-8', 'application/x.y+JSON']) {
    test(`J8 data of ${type} is stored as a JSON value, not as a string of JSON`, () => {
      const event = sampleEvent({ datacontenttype: type }, json('{"a":[1]}'))
      assert.deepEqual(encoded(event)['data'], { a: [1] })
    })
  }

  test('J9 text of another type is stored as a string', () => {
    const data = { kind: 'text' as const, bytes: Buffer.from('<much wow="xml"/>\n😀') }
    const event = sampleEvent({ datacontenttype: 'application/xml' }, data)
    assert.equal(encoded(event)['data'], '<much wow="xml"/>\n😀')
    assert.deepEqual(decodeJson(encodeJson(event)), event)
  })

  test('text whose bytes are not UTF-8 goes as data_base64 and keeps its bytes', () => {
    const data = { kind: 'text' as const, bytes: Buffer.from([0x61, 0xff]) }
    const event = sampleEvent({ datacontenttype: 'text/plain' }, data)
    assert.equal(encoded(event)['data_base64'], 'Yf8=')
  })

  test('J10 refuses data beside data_base64', () => {
    refuses('"data":1,"data_base64":"AA=="', /both "data" and "data_base64"/)
    refuses('"data":null,"data_base64":""', /both "data" and "data_base64"/)
  })

  test('J10 a data_base64 of null is none', () => {
    assert.deepEqual(decode('"data":1,"data_base64":null').data, json('1'))
    assert.equal(decode('"data_base64":null').data, undefined)
  })

  test('J11 null data is a payload, distinct from no data, and 0, false and "" are too', () => {
    assert.equal(decode('').data, undefined)
    for (const value of ['null', '0', 'false', '""']) {
      const event = decode(`"data":${value}`)
      assert.deepEqual(event.data, json(value))
      assert.deepEqual(decodeJson(encodeJson(event)), event)
    }
    assert.ok(!('data' in encoded(sampleEvent())))
  })

  test('J12 data_base64 becomes its bytes, whose kind the content type tells', () => {
    const bytes = Buffer.from('{"a":1}')
    const member = `"data_base64":"${bytes.toString('base64')}"`
    for (const [type, kind] of [
      ['image/png', 'binary'],
      ['application/json', 'json'],
      ['text/plain', 'text'],
    ]) {
      assert.deepEqual(decode(`"datacontenttype":"${type}",${member}`).data, { kind, bytes })
    }
  })

  test('J12 refuses what is not Base64', () => {
    for (const value of [
      '5',
      '{}',
      '"A"',
      '"AAA"',
      '"A==="',
      '"AA=A"',
      '"A-_A"',
      '"AA A"',
      '"é==="',
    ]) {
      refuses(`"data_base64":${value}`, /"data_base64" is/)
    }
    assert.deepEqual(decode('"data_base64":"\\u0041A=="').data?.bytes, Buffer.from([0]))
  })

  test('J13 data_base64 without a content type is binary', () => {
    const event = decode('"data_base64":"eyJhIjoxfQ=="')
    assert.deepEqual(event.data, { kind: 'binary', bytes: Buffer.from('{"a":1}') })
    assert.equal(event.attributes.datacontenttype, undefined)
  })

  test('J14 a data string under a JSON type is a JSON string and is not parsed again', () => {
    const event = decode('"datacontenttype":"application/json","data":"{\\"a\\":1}"')
    assert.deepEqual(event.data, json('"{\\"a\\":1}"'))
  })

  test('J15 data without a content type is JSON', () => {
    const event = decode('"data":"I\'m just a string"')
    assert.deepEqual(event.data, json('"I\'m just a string"'))
    assert.equal(event.attributes.datacontenttype, undefined)
  })

  test('a data string under another type is text, escapes resolved', () => {
    const event = decode('"datacontenttype":"application/xml","data":"<a b=\\"\\u00e9\\"/>"')
    assert.deepEqual(event.data, { kind: 'text', bytes: Buffer.from('<a b="é"/>') })
    const plain = decode('"datacontenttype":"text/plain","data":"é"')
    assert.deepEqual(plain.data, { kind: 'text', bytes: Buffer.from('é') })
  })

  test('data under another type that is no string is refused (JSON format 3.1.2)', () => {
    for (const value of ['{"a":1}', '5', 'null', '[]', 'true']) {
      refuses(`"datacontenttype":"text/plain","data":${value}`, /"data" is .*expected a string/)
    }
    refuses('"datacontenttype":"text/plain","data":"\\ud800"', /unpaired surrogate/)
  })

  test('J19 large numbers and the spacing inside data survive both ways', () => {
    const text = '{ "n": 12345678901234567890.0000000000000000001,\n "m":1E400, "n":-0 }'
    const event = decode(`"data": ${text} ,"datacontenttype":"application/json"`)
    assert.deepEqual(event.data, json(text))
    assert.ok(encodeJson(event).toString().endsWith(`,"data":${text}}`))
  })

  test('a payload that would close the envelope goes as data_base64', () => {
    for (const text of ['1},{"x":2', '1,"id":"forged"', '{"a":1}}', '', '1 2', '"', '\uFEFF1']) {
      const event = sampleEvent({ datacontenttype: 'application/json' }, json(text))
      assert.deepEqual(Object.keys(encoded(event)).at(-1), 'data_base64')
      assert.deepEqual(decodeJson(encodeJson(event)), event)
    }
  })

  test('no payload adds, closes or replaces a member of its envelope', () => {
    const forged = fc.stringMatching(/^[{}[\]",:1a\\ ]{0,12}(,"id":"x"|\},\{)?[{}[\]",:1]{0,6}$/)
    fc.assert(
      fc.property(forged, fc.constantFrom('json', 'text', 'binary'), (text, kind) => {
        for (const datacontenttype of ['application/json', 'text/plain']) {
          const event = sampleEvent({ datacontenttype }, { kind, bytes: Buffer.from(text) })
          const [one, two, ...rest] = JSON.parse(
            encodeJsonBatch([event, event]).toString(),
          ) as object[]
          assert.deepEqual(one, two)
          assert.equal(rest.length, 0)
          assert.equal(Object.keys(one ?? {}).length, 6)
          assert.ok(decodeJson(encodeJson(event)).data?.bytes.equals(expectedBytes(event)))
        }
      }),
      { numRuns: 500 },
    )
  })
})

/** White space around a JSON text is no part of the value, where the data travels as a JSON value. */
function expectedBytes({ attributes, data }: ReturnType<typeof sampleEvent>): Buffer {
  const { kind, bytes } = data as { kind: string; bytes: Buffer }
  if (kind !== 'json' || attributes.datacontenttype !== 'application/json') return bytes
  const text = bytes.toString()
  try {
    JSON.parse(text)
    return Buffer.from(text.trim())
  } catch {
    return bytes
  }
}

describe('batch', () => {
  test('J18 a batch is an array of events, and [] is one', () => {
    assert.deepEqual(decodeJsonBatch(Buffer.from(' [ ] ')), [])
    assert.equal(encodeJsonBatch([]).toString(), '[]')
    const events = [sampleEvent(), sampleEvent({ id: 'A-2' }, json('[1]'))]
    assert.deepEqual(decodeJsonBatch(encodeJsonBatch(events)), events)
  })

  test('C17 a batch in which an event has another specversion is refused and the event named', () => {
    const batch = `[{${BASE}},{${BASE.replace('1.0', '0.3')}}]`
    assert.throws(() => decodeJsonBatch(Buffer.from(batch)), /Event 1 of the batch.*specversion/)
  })

  test('a batch that is no array of objects is refused', () => {
    for (const text of ['{}', '', '[1]', `[{${BASE}},]`, `[{${BASE}}`, 'null']) {
      assert.throws(() => decodeJsonBatch(Buffer.from(text)), { code: 'FN_EVENT_INVALID' })
    }
  })
})

describe('whole texts', () => {
  test('C18 an event of 64 KiB and more passes unchanged', () => {
    const event = sampleEvent(
      { datacontenttype: 'application/json', ext: 'y'.repeat(10_000) },
      json(`"${'x'.repeat(64 * 1024)}"`),
    )
    assert.deepEqual(decodeJson(encodeJson(event)), event)
  })

  for (const text of [
    '',
    'null',
    '[]',
    '1',
    '{',
    `{${BASE}`,
    `{${BASE}}}`,
    `{${BASE},}`,
    `{${BASE}} x`,
  ]) {
    test(`${JSON.stringify(text.replace(BASE, '…'))} is refused as a JSON event`, () => {
      assert.throws(() => decodeJson(Buffer.from(text)), { code: 'FN_EVENT_INVALID' })
    })
  }

  test('bytes that are not UTF-8 are refused', () => {
    const bytes = Buffer.from(`{${BASE},"subject":"é"}`, 'latin1')
    assert.throws(() => decodeJson(bytes), /not UTF-8/)
  })

  test('any bytes either are an event or are refused with FN_EVENT_INVALID', () => {
    const anyText = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc.tuple(anyEvent, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([event, where, bytes]) => {
        const text = encodeJson(event)
        const at = where % text.length
        return Buffer.concat([text.subarray(0, at), bytes, text.subarray(at + 1)])
      }),
    )
    fc.assert(
      fc.property(anyText, (bytes) => {
        try {
          decodeJson(bytes)
        } catch (error) {
          assert.ok(isMillraceError(error, 'FN_EVENT_INVALID'), String(error))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('an event that nests a million levels deep passes with its bytes', () => {
    const text = '['.repeat(1e6) + ']'.repeat(1e6)
    assert.deepEqual(decode(`"data":${text}`).data, json(text))
  })

  test('J20 the output validates against the JSON schema of the specification', () => {
    const validate = createRequire(import.meta.url)('cloudevents/dist/schema/v1.js') as {
      (value: unknown): boolean
      errors: unknown
    }
    assert.equal(validate({ id: '' }), false)
    fc.assert(
      fc.property(anyEvent, (event) => {
        // The schema holds `source` to the characters of a URI reference, and knows neither a second
        // of 60 nor lower-case letters in a time.
        const { time: _, ...attributes } = { ...event.attributes, source: '/shop' }
        assert.ok(validate(encoded({ ...event, attributes })), JSON.stringify(validate.errors))
      }),
    )
  })

  test('the JavaScript SDK reads our output and we read its', () => {
    const attributes = { ...sampleEvent().attributes, time: '2026-01-02T03:04:05.678Z', ext: 5 }
    const ours = {
      attributes: { ...attributes, datacontenttype: 'application/json' },
      data: json('{"a":1}'),
    }
    const headers = { 'content-type': 'application/cloudevents+json' }
    const body = encodeJson(ours).toString()
    const read = HTTP.toEvent({ headers, body }) as CloudEventV1<unknown>
    const members = JSON.parse(JSON.stringify(read)) as unknown
    assert.deepEqual(members, { ...ours.attributes, data: { a: 1 } })
    const written = HTTP.structured(new CloudEvent({ ...ours.attributes, data: { a: 1 } }))
    assert.deepEqual(decodeJson(Buffer.from(written.body as string)), ours)
  })
})
