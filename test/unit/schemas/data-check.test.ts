import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attributes, EventData } from '../../../runtime/contract/event.ts'
import type { JsonSchema } from '../../../runtime/contract/json-schema.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { createDataCheck } from '../../../runtime/schemas/data-check.ts'

/** The refusal without the words before the fault, or undefined. */
function faultOf(
  schema: JsonSchema,
  data: unknown,
  { kind = 'json', ...attributes }: Partial<Attributes> & { kind?: EventData['kind'] } = {},
): string | undefined {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  try {
    createDataCheck({ t: schema })({
      attributes: { specversion: '1.0', id: '1', source: '/s', type: 't', ...attributes },
      data: data === undefined ? undefined : { kind, bytes: Buffer.from(text) },
    })
    return undefined
  } catch (error) {
    assert.ok(isMillraceError(error, 'FN_EVENT_SCHEMA'))
    return error.message.replace('the data do not fit the schema of type "t": ', '')
  }
}

const ORDER = {
  type: 'object',
  required: ['id'],
  additionalProperties: false,
  properties: {
    id: { type: 'string' },
    items: { type: 'array', uniqueItems: true, items: { type: 'object', required: ['sku'] } },
    kind: { enum: ['a', 'b'] },
    'a/b': { type: 'null' },
  },
}

const FAULTS: Array<[unknown, string]> = [
  [{}, 'data.id is missing'],
  [{ id: 7 }, 'data.id must be string, but is 7'],
  [[], 'data must be object, but is []'],
  [{ id: 'x', items: [{ sku: 1 }, {}] }, 'data.items[1].sku is missing'],
  [{ id: 'x', more: 1 }, 'data.more is not known'],
  [{ id: 'x', kind: 'c' }, 'data.kind must be one of "a", "b", but is "c"'],
  [{ id: 'x', 'a/b': 1 }, 'data.a/b must be null, but is 1'],
]
for (const [data, message] of FAULTS) {
  test(`the fault is named by its path: ${message}`, () => {
    assert.equal(faultOf(ORDER, data), message)
  })
}

test('what fits passes, and so do events of a type without a schema', () => {
  assert.equal(faultOf(ORDER, { id: 'x', items: [{ sku: 1 }, { sku: 2 }] }), undefined)
  assert.equal(faultOf(ORDER, 'no JSON', { type: 'other' }), undefined)
})

test('data that are no JSON do not fit, whatever they are called', () => {
  assert.match(faultOf(ORDER, '{"id":') ?? '', /^they are no JSON: /)
  assert.match(faultOf(ORDER, '{"id":"x"}', { kind: 'text' }) ?? '', /JSON content type/)
  assert.match(faultOf(ORDER, undefined) ?? '', /there are none/)
})

test('data that lie elsewhere are not asked for', () => {
  assert.equal(faultOf(ORDER, undefined, { dataref: 'https://example.com/1' }), undefined)
})

test('a required member that every object inherits is still missing', () => {
  assert.equal(faultOf({ required: ['toString'] }, {}), 'data.toString is missing')
})

test('formats are checked', () => {
  assert.equal(faultOf({ format: 'date-time' }, '"2026-01-01T00:00:00Z"'), undefined)
  assert.match(faultOf({ format: 'date-time' }, '"soon"') ?? '', /must match format "date-time"/)
  assert.match(faultOf({ format: 'int32' }, 2 ** 40) ?? '', /must match format "int32"/)
  assert.match(
    faultOf({ format: 'uri' }, JSON.stringify(`http://${'a'.repeat(9_000)}`)) ?? '',
    /format/,
  )
})

test('both drafts are understood', () => {
  const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] }
  assert.match(faultOf(old, [1]) ?? '', /data\[0\] must be string/)
  assert.match(
    faultOf({ prefixItems: [{ type: 'string' }] }, [1]) ?? '',
    /data\[0\] must be string/,
  )
})

/** Most would keep plain Ajv busy for minutes to ages. */
const HOSTILE: Array<[what: string, schema: JsonSchema, text: string, fault: RegExp]> = [
  ['a pattern that backtracks', { pattern: '^(a+)+$' }, `"${'a'.repeat(5_000)}!"`, /pattern/],
  [
    'unique entries',
    { uniqueItems: true },
    JSON.stringify(Array.from({ length: 60_000 }, (_, at) => ({ at })).concat([{ at: 0 }])),
    /equal entries/,
  ],
  [
    'deep nesting',
    { items: { $ref: '#' } },
    '['.repeat(450_000) + ']'.repeat(450_000),
    /nested deeper than 128 levels/,
  ],
  [
    'alternatives that call themselves',
    {
      type: 'object',
      anyOf: [{ properties: { a: { $ref: '#' } } }, { properties: { a: { $ref: '#' } } }],
    },
    '{"a":'.repeat(100) + '1' + '}'.repeat(100),
    /refer to itself too often/,
  ],
  ['a schema that is only itself', { $ref: '#' }, '1', /refer to itself too often/],
]
for (const [what, schema, text, fault] of HOSTILE) {
  test(`it costs no more than a moment: ${what}`, () => {
    const startedAt = performance.now()
    assert.match(faultOf(schema, text) ?? '', fault)
    assert.ok(performance.now() - startedAt < 5_000)
  })
}

test('a message stays short, whatever names and values the data have', () => {
  const name = 'n'.repeat(100_000)
  const fault = faultOf({ additionalProperties: { type: 'null' } }, { [name]: 'v'.repeat(100_000) })
  assert.ok((fault?.length ?? Infinity) < 1_000)
})
