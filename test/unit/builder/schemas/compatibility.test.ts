import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changes, nextVersion } from '../../../../builder/schemas/accepted.ts'
import type { SchemaObject } from '../../../../runtime/contract/json-schema.ts'
import { catalogOf } from '../../../support/schema-catalog.ts'

function property(schema: SchemaObject): SchemaObject {
  return { type: 'object', properties: { p: schema } }
}

const OPEN = { type: 'object', properties: { p: { type: 'string' } } }
const CLOSED = { ...OPEN, additionalProperties: false }
const MORE = { ...OPEN, properties: { ...OPEN.properties, q: { type: 'number' } } }
const AT = '#/properties/p'

/** Old, new, and what is said before "of t as it was". */
const CASES: Record<string, [SchemaObject, SchemaObject, string[]]> = {
  nothing: [OPEN, OPEN, []],
  'titles and descriptions': [OPEN, { ...OPEN, title: 'T', description: 'more', default: {} }, []],
  'a new property': [OPEN, MORE, []],
  'a new property of a closed object': [
    CLOSED,
    { ...MORE, additionalProperties: false },
    ['#/properties/q: was not allowed and is {"type":"number"}; readers'],
  ],
  'a property that is gone': [
    MORE,
    OPEN,
    ['#/properties/q: is gone, and was {"type":"number"}; readers'],
  ],
  'a property that is required now': [
    OPEN,
    { ...OPEN, required: ['p'] },
    [`${AT}: is required now; writers`],
  ],
  'a property that is no longer required': [
    { ...OPEN, required: ['p'] },
    OPEN,
    [`${AT}: is no longer required; readers`],
  ],
  'a wider type': [
    property({ type: 'integer' }),
    property({ type: 'number' }),
    [`${AT}: type was "integer" and is "number"; readers`],
  ],
  'a narrower type': [
    property({ type: ['string', 'null'] }),
    property({ type: 'string' }),
    [`${AT}: type was ["string","null"] and is "string"; writers`],
  ],
  'another type': [
    property({ type: 'string' }),
    property({ type: 'number' }),
    [`${AT}: type was "string" and is "number"; readers and writers`],
  ],
  'a value more in an enum': [
    property({ enum: ['a'] }),
    property({ enum: ['a', 'b'] }),
    [`${AT}: enum was ["a"] and is ["a","b"]; readers`],
  ],
  'a value less in an enum': [
    property({ enum: ['a', 'b'] }),
    property({ enum: ['a'] }),
    [`${AT}: enum was ["a","b"] and is ["a"]; writers`],
  ],
  'a tighter bound': [
    property({ type: 'number', minimum: 0 }),
    property({ type: 'number', minimum: 1 }),
    [`${AT}: minimum was 0 and is 1; writers`],
  ],
  'another pattern': [
    property({ pattern: 'a' }),
    property({ pattern: 'b' }),
    [`${AT}: pattern was "a" and is "b"; readers and writers`],
  ],
  'an object that closes': [
    OPEN,
    CLOSED,
    ['#/additionalProperties: was {} and is not allowed any more; writers'],
  ],
}
for (const [what, [before, after, expected]] of Object.entries(CASES)) {
  test(`a change is judged for readers and for writers: ${what}`, async (t) => {
    const lines = changes(await catalogOf(t, { 't.json': after }), { t: before })
    assert.deepEqual(
      lines.map((line) => /^schemas\/t\.json: (.*) of t as it was may not cope/.exec(line)?.[1]),
      expected,
    )
  })
}

test('a change behind a reference is met where it is used', async (t) => {
  const at = (type: string): SchemaObject => ({
    items: { $ref: '#/$defs/x' },
    $defs: { x: { type } },
  })
  const [line = ''] = changes(await catalogOf(t, { 't.json': at('string') }), { t: at('null') })
  assert.match(line, /^schemas\/t\.json: #\/items: type was "null" and is "string"/)
})

test('a schema that contains itself is compared to its end', async (t) => {
  const tree = (leaf: string): SchemaObject => ({
    type: 'object',
    properties: { leaf: { type: leaf }, kids: { type: 'array', items: { $ref: '#' } } },
    additionalProperties: { $ref: '#' },
  })
  assert.deepEqual(changes(await catalogOf(t, { 't.json': tree('null') }), { t: tree('null') }), [])
  const lines = changes(await catalogOf(t, { 't.json': tree('null') }), { t: tree('string') })
  assert.equal(lines.length, 1)
})

test('a type that is new, or a version of one, is no change', async (t) => {
  const files = { 't.v2.json': { type: 'string' }, 'u.json': {} }
  assert.deepEqual(changes(await catalogOf(t, files), { t: { type: 'object' } }), [])
})

test('the message names the next version of a type', () => {
  assert.equal(nextVersion('com.example.a'), 'com.example.a.v2')
  assert.equal(nextVersion('com.example.a.v9'), 'com.example.a.v10')
  assert.equal(nextVersion('v2.a'), 'v2.a.v2')
})
