import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents'
import fc from 'fast-check'
import {
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
  type HttpHeaders,
} from '../../../runtime/codec/http.ts'
import { encodeJson } from '../../../runtime/codec/json-format.ts'
import type { Event } from '../../../runtime/contract/event.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { anyEvent, sampleEvent } from '../../support/event-arbitraries.ts'

const EMPTY = Buffer.alloc(0)
const CE = {
  'ce-specversion': '1.0',
  'ce-id': 'A-1',
  'ce-source': '/shop',
  'ce-type': 'com.example.t',
}

function decodeOne(headers: HttpHeaders, body: Buffer | string = EMPTY): Event {
  const { events } = decodeHttp(headers, Buffer.from(body))
  assert.equal(events.length, 1)
  return events[0] as Event
}

function refuses(headers: HttpHeaders, said: RegExp, code = 'FN_EVENT_INVALID'): void {
  assert.throws(
    () => decodeHttp(headers, Buffer.from('{}')),
    (error: unknown) => {
      assert.ok(isMillraceError(error), String(error))
      assert.equal(error.code, code)
      assert.match(error.message, said)
      return true
    },
  )
}

describe('mode', () => {
  for (const type of [
    'application/cloudevents+json',
    'Application/CloudEvents+JSON;charset=utf-8',
    'application/cloudevents+json; charset=UTF-8',
  ]) {
    test(`H1 H3 ${type} is a structured event`, () => {
      const { mode, events } = decodeHttp({ 'content-type': type }, encodeJson(sampleEvent()))
      assert.equal(mode, 'structured')
      assert.deepEqual(events, [sampleEvent()])
    })
  }

  test('H3 the batch type is a batch, though the other prefix matches it too', () => {
    const headers = { 'Content-Type': 'APPLICATION/cloudevents-batch+json;charset=utf-8' }
    assert.deepEqual(decodeHttp(headers, Buffer.from('[]')), { mode: 'batch', events: [] })
  })

  test('H3 any other content type, or none, is binary', () => {
    assert.equal(decodeHttp(CE, EMPTY).mode, 'binary')
    assert.equal(decodeHttp({ ...CE, 'content-type': 'text/plain' }, EMPTY).mode, 'binary')
  })

  test('H4 an event by itself is never written as a batch', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const type = encodeHttpStructured(event).headers['content-type']
        assert.match(type ?? '', /^application\/cloudevents\+json/)
        assert.doesNotMatch(encodeHttpBinary(event).headers['content-type'] ?? '', /cloudevents/)
      }),
    )
  })

  test('H5 an event format that we do not speak is refused as such', () => {
    for (const type of [
      'application/cloudevents+avro',
      'application/cloudevents',
      'application/cloudevents-batch+protobuf',
      'application/cloudeventsjson',
    ]) {
      const code = 'FN_EVENT_UNSUPPORTED_MEDIA_TYPE'
      refuses({ ...CE, 'content-type': type }, /not supported; send application\/clo/, code)
    }
  })

  test('H22 a message that is no CloudEvent is refused and told what was expected', () => {
    refuses(
      { 'content-type': 'application/json' },
      /no ce- headers.*application\/json.*ce-specversion/,
    )
    refuses({}, /no content-type/)
    refuses({ 'ce-id': '1' }, /lacks "specversion", "source", "type"/)
  })
})

describe('binary mode', () => {
  test('H6 Content-Type is datacontenttype both ways, and ce-datacontenttype is not written', () => {
    const event = decodeOne({ ...CE, 'content-type': 'Application/JSON; charset=utf-8' }, '{}')
    assert.equal(event.attributes.datacontenttype, 'Application/JSON; charset=utf-8')
    const { headers } = encodeHttpBinary(event)
    assert.equal(headers['content-type'], 'Application/JSON; charset=utf-8')
    assert.ok(!('ce-datacontenttype' in headers))
  })

  test('H6 a ce-datacontenttype that says something else is refused', () => {
    const headers = { ...CE, 'ce-datacontenttype': 'text/plain' }
    refuses({ ...headers, 'content-type': 'text/xml' }, /ce-datacontenttype is "text\/plain"/)
    const same = decodeOne({ ...headers, 'content-type': 'Text/Plain' }, 'x')
    assert.equal(same.attributes.datacontenttype, 'Text/Plain')
    assert.equal(decodeOne(headers, 'x').data?.kind, 'text')
  })

  test('C16 refuses a content type that is no media type', () => {
    refuses({ ...CE, 'content-type': 'json' }, /"datacontenttype" is "json"/)
    refuses({ ...CE, 'content-type': '' }, /"datacontenttype" is ""/)
  })

  test('H7 the body is the data, byte for byte', () => {
    const bytes = Buffer.from([0, 1, 255, 128, 10])
    const event = decodeOne({ ...CE, 'content-type': 'image/png' }, bytes)
    assert.deepEqual(event.data, { kind: 'binary', bytes })
    assert.deepEqual(encodeHttpBinary(event).body, bytes)
  })

  test('an empty body is an event without data', () => {
    assert.equal(decodeOne({ ...CE, 'content-type': 'text/plain' }).data, undefined)
    assert.equal(encodeHttpBinary(sampleEvent()).body, undefined)
  })

  test('data without a content type is binary', () => {
    assert.deepEqual(decodeOne(CE, '{}').data, { kind: 'binary', bytes: Buffer.from('{}') })
  })

  test('H8 every other attribute has a ce- header, types in canonical text', () => {
    const event = sampleEvent({ subject: 's', ext: 5, flag: true, no: undefined })
    assert.deepEqual(encodeHttpBinary(event).headers, {
      ...CE,
      'ce-subject': 's',
      'ce-ext': '5',
      'ce-flag': 'true',
    })
  })

  test('C11 a boolean or integer in a header stays its text', () => {
    const { attributes } = decodeOne({ ...CE, 'ce-flag': 'true', 'ce-n': '-5' })
    assert.equal(attributes['flag'], 'true')
    assert.equal(attributes['n'], '-5')
  })

  test('H9 header names are read in any case', () => {
    const headers = ['CE-SPECVERSION', '1.0', 'Ce-Id', 'A-1', 'cE-source', '/shop']
    const event = decodeOne([...headers, 'Ce-Type', 'com.example.t', 'CE-MyExt', 'x'])
    assert.deepEqual(event, sampleEvent({ myext: 'x' }))
  })

  test('H10 to H16 values are percent-encoded and decoded', () => {
    const event = sampleEvent({ subject: 'Euro € 😀', ext: '100% "x"' })
    const { headers } = encodeHttpBinary(event)
    assert.equal(headers['ce-subject'], 'Euro%20%E2%82%AC%20%F0%9F%98%80')
    assert.deepEqual(decodeOne(headers), event)
    assert.equal(decodeOne({ ...CE, 'ce-subject': 'a b 100%' }).attributes.subject, 'a b 100%')
    refuses({ ...CE, 'ce-subject': '%C0%A0' }, /ce-subject/)
  })

  test('C9 refuses a control character that arrives percent-encoded', () => {
    refuses({ ...CE, 'ce-subject': 'a%00' }, /U\+0000/)
  })

  test('C3 refuses header names that are no attribute names', () => {
    refuses({ ...CE, 'ce-my_ext': 'x' }, /Attribute name "my_ext"/)
    refuses({ ...CE, 'ce-': 'x' }, /Attribute name ""/)
    refuses({ ...CE, 'ce-data': 'x' }, /"data" is no attribute name/)
  })

  test('C6 refuses a ce- header or content type that is there twice', () => {
    const raw = Object.entries(CE).flat()
    refuses([...raw, 'CE-ID', 'A-2'], /"id" occurs twice/)
    refuses({ ...CE, 'CE-Id': 'A-1' }, /"id" occurs twice/)
    refuses({ ...CE, 'ce-ext': ['a', 'b'] }, /"ext" occurs twice/)
    refuses([...raw, 'content-type', 'a/b', 'Content-Type', 'a/b'], /content-type occurs twice/)
  })

  test('C12 C15 refuses wrong times, schemas and empty subjects', () => {
    refuses({ ...CE, 'ce-time': 'now' }, /"time" is "now"/)
    refuses({ ...CE, 'ce-dataschema': '/x' }, /"dataschema" is/)
    refuses({ ...CE, 'ce-subject': '' }, /"subject" is ""/)
  })

  test('C13 invents nothing', () => {
    assert.deepEqual(
      decodeOne({ ...CE, host: 'x', accept: '*/*', 'ce-ext': undefined }),
      sampleEvent(),
    )
  })

  test('J16 JSON data without a content type gets application/json and keeps its quotes', () => {
    const text = '"I\'m just a string"'
    const bytes = Buffer.from(text)
    const message = encodeHttpBinary(sampleEvent({}, { kind: 'json', bytes }))
    assert.equal(message.headers['content-type'], 'application/json')
    assert.equal(message.body?.toString(), text)
  })

  test('J17 binary data without a content type gets no Content-Type', () => {
    const message = encodeHttpBinary(sampleEvent({}, { kind: 'binary', bytes: Buffer.from('x') }))
    assert.ok(!('content-type' in message.headers))
  })
})

describe('structured and batched mode', () => {
  test('J4 H17 a structured event is written with the media type of its format', () => {
    const { headers, body } = encodeHttpStructured(sampleEvent())
    assert.equal(headers['content-type'], 'application/cloudevents+json; charset=utf-8')
    assert.deepEqual(body, encodeJson(sampleEvent()))
  })

  test('H18 the payload holds all attributes and wins over headers that disagree', () => {
    const headers = { ...CE, 'ce-id': 'other', 'ce-bad_name': 'x', 'ce-ext': 'x' }
    const structured = { ...headers, 'content-type': 'application/cloudevents+json' }
    assert.deepEqual(decodeOne(structured, encodeJson(sampleEvent())), sampleEvent())
    assert.throws(() => decodeOne({ ...structured }, '{"specversion":"1.0"}'), /lacks "id"/)
  })

  test('H19 a batch is written with the batch media type', () => {
    const events = [sampleEvent(), sampleEvent({ id: 'A-2' })]
    const { headers, body } = encodeHttpBatch(events)
    assert.equal(headers['content-type'], 'application/cloudevents-batch+json; charset=utf-8')
    assert.deepEqual(decodeHttp(headers, body as Buffer), { mode: 'batch', events })
  })
})

test('H20 H21 reads the examples of the binding, requests and responses alike', () => {
  const binary = decodeOne(
    [
      'Host: webhook.example.com',
      'ce-specversion: 1.0',
      'ce-type: com.example.someevent',
      'ce-time: 2018-04-05T03:56:24Z',
      'ce-id: 1234-1234-1234',
      'ce-source: /mycontext/subcontext',
      'Content-Type: application/json; charset=utf-8',
      'Content-Length: 7',
    ].flatMap((line) => line.split(': ')),
    '{"a":1}',
  )
  assert.deepEqual(binary, {
    attributes: {
      specversion: '1.0',
      type: 'com.example.someevent',
      time: '2018-04-05T03:56:24Z',
      id: '1234-1234-1234',
      source: '/mycontext/subcontext',
      datacontenttype: 'application/json; charset=utf-8',
    },
    data: { kind: 'json', bytes: Buffer.from('{"a":1}') },
  })
  const member =
    '{ "specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext",\n' +
    ' "id" : "C234-1234-1234", "comexampleothervalue" : 5, "subject": null, "data" : { "a" : 1 } }'
  const type = 'application/cloudevents+json; charset=utf-8'
  const structured = decodeOne(['Content-Type', type], member)
  assert.equal(structured.attributes['comexampleothervalue'], 5)
  assert.equal(structured.data?.bytes.toString(), '{ "a" : 1 }')
  const batch = decodeHttp(
    ['Content-Type', 'application/cloudevents-batch+json; charset=utf-8'],
    Buffer.from(`[\n${member},\n${member}\n]`),
  )
  assert.deepEqual(batch.events, [structured, structured])
})

test('C18 an event of 64 KiB passes unchanged in every mode', () => {
  const bytes = Buffer.from(`"${'x'.repeat(64 * 1024)}"`)
  const event = sampleEvent({ datacontenttype: 'application/json' }, { kind: 'json', bytes })
  for (const { headers, body } of [
    encodeHttpBinary(event),
    encodeHttpStructured(event),
    encodeHttpBatch([event]),
  ]) {
    assert.deepEqual(decodeOne(headers, body), event)
  }
})

test('any headers and body either are events or are refused with a code', () => {
  const name = fc.constantFrom(
    'ce-id',
    'ce-time',
    'ce-ext',
    'CE-type',
    'ce-specversion',
    'ce-é',
    'x',
  )
  const type = fc.constantFrom(
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
    'a',
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, fc.string({ unit: 'binary' }))),
      fc.option(type, { nil: undefined }),
      fc.uint8Array(),
      (pairs, contentType, body) => {
        const raw = [...pairs.flat(), ...(contentType ? ['content-type', contentType] : [])]
        try {
          decodeHttp(raw, Buffer.from(body))
        } catch (error) {
          assert.ok(isMillraceError(error), String(error))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('the JavaScript SDK reads our binary messages and we read its', () => {
  const attributes = {
    ...sampleEvent().attributes,
    time: '2026-01-02T03:04:05.678Z',
    datacontenttype: 'application/json',
  }
  const data = { kind: 'json' as const, bytes: Buffer.from('{"a":1}') }
  const { headers, body } = encodeHttpBinary({ attributes, data })
  const read = HTTP.toEvent({ headers, body: body?.toString() }) as CloudEventV1<unknown>
  assert.deepEqual(JSON.parse(JSON.stringify(read)), { ...attributes, data: { a: 1 } })
  const written = HTTP.binary(new CloudEvent({ ...attributes, data: { a: 1 } }))
  const back = decodeOne(written.headers as Record<string, string>, written.body as string)
  assert.deepEqual(back.data, data)
  assert.equal(back.attributes.time, attributes.time)
})
