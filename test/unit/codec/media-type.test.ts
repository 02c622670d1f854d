import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventData, explicitContentType } from '../../../runtime/codec/event-data.ts'
import {
  contentModeOf,
  dataKindOf,
  mediaType,
  sameMediaType,
} from '../../../runtime/codec/media-type.ts'

const KINDS = {
  json: [
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset=iso-8859-1',
    'text/json',
    'application/vnd.company.order+json',
    'image/x+JSON ; a="b;c"',
  ],
  text: [
    'text/plain',
    'TEXT/Plain; CharSet=UTF-8',
    'text/csv; charset="us-ascii"',
    'application/xml',
    'image/svg+xml',
    'application/x-www-form-urlencoded',
    'application/javascript',
    'application/yaml',
  ],
  binary: [
    undefined,
    '',
    'json',
    'application/octet-stream',
    'application/jsonx',
    'application/x-protobuf',
    'image/png',
    'text/plain; charset=utf-16',
    'text/plain; charset=iso-8859-1',
  ],
} as const

for (const [kind, types] of Object.entries(KINDS)) {
  for (const type of types) {
    test(`${type} data is ${kind}`, () => {
      assert.equal(dataKindOf(type), kind)
    })
  }
}

test('a media type is read with its parameters', () => {
  const type = mediaType(' Text/Plain ; CharSet="utf-8";x="a\\"b" ')
  assert.equal(type?.essence, 'text/plain')
  assert.deepEqual(
    [...(type?.parameters ?? [])],
    [
      ['charset', 'utf-8'],
      ['x', 'a"b'],
    ],
  )
})

for (const text of [
  '',
  'json',
  'a/',
  '/b',
  'a/b c',
  'a/b; c',
  'a/b; c=',
  'a/b; c="d',
  'a/é',
  'a/b\n',
]) {
  test(`${JSON.stringify(text)} is no media type`, () => {
    assert.equal(mediaType(text), undefined)
    assert.equal(mediaType(text), undefined, 'nor when it comes out of the cache')
  })
}

test('C16 compares type and parameter names in any case and parameters in any order', () => {
  assert.ok(sameMediaType('text/plain; charset=utf-8', 'TEXT/Plain; CharSet=utf-8'))
  assert.ok(sameMediaType('text/plain; charset=utf-8', 'text/plain;charset="UTF-8"'))
  assert.ok(sameMediaType('a/b; x=1; y=2', 'a/b;Y=2;X=1'))
  assert.ok(!sameMediaType('a/b; x=Q', 'a/b; x=q'))
  assert.ok(!sameMediaType('a/b; x=1', 'a/b; y=1'))
  assert.ok(!sameMediaType('a/b; x=1', 'a/b'))
  assert.ok(!sameMediaType('a/b; charset=utf-8', 'a/b; x=1'))
  assert.ok(!sameMediaType('text/plain', 'text/html'))
  assert.ok(!sameMediaType('text/plain', 'nothing'))
})

test('more content types than the cache holds are still read right', () => {
  for (let i = 0; i < 1_000; i++) assert.equal(dataKindOf(`application/x${i}+json`), 'json')
  assert.equal(dataKindOf('application/x0+json'), 'json')
})

test('H3 takes the mode from the content type, by prefix and in any case', () => {
  assert.equal(contentModeOf('application/cloudevents+json'), 'structured')
  assert.equal(contentModeOf('Application/CloudEvents+JSON;charset=UTF-8'), 'structured')
  assert.equal(contentModeOf('application/cloudevents-batch+json'), 'batch')
  assert.equal(contentModeOf('APPLICATION/CLOUDEVENTS-BATCH+json; charset=utf-8'), 'batch')
  assert.equal(contentModeOf('application/cloudevents+avro'), 'unsupported')
  assert.equal(contentModeOf('application/cloudevents'), 'unsupported')
  assert.equal(contentModeOf('application/cloudevents+json; ='), 'unsupported')
  assert.equal(contentModeOf('application/json'), 'binary')
  assert.equal(contentModeOf(undefined), 'binary')
})

test('text and JSON whose bytes are not UTF-8 are binary data', () => {
  const bytes = Buffer.from([0x22, 0xff, 0x22])
  assert.deepEqual(eventData('application/json', bytes), { kind: 'binary', bytes })
  assert.deepEqual(eventData('text/plain', bytes), { kind: 'binary', bytes })
  assert.equal(eventData('text/plain', Buffer.from('é')).kind, 'text')
})

test('only JSON data without a content type is given one', () => {
  const bytes = Buffer.from('1')
  assert.equal(explicitContentType(undefined, { kind: 'json', bytes }), 'application/json')
  assert.equal(explicitContentType(undefined, { kind: 'binary', bytes }), undefined)
  assert.equal(explicitContentType(undefined, undefined), undefined)
  assert.equal(explicitContentType('a/b+json', { kind: 'json', bytes }), 'a/b+json')
})
