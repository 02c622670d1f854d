import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DRAFT_07 } from '../../../../runtime/contract/json-schema.ts'
import { catalogOf } from '../../../support/schema-catalog.ts'

const ITEM = { type: 'object', properties: { sku: { type: 'string' } } }

test('files are types by their names, and those with an underscore are shared by others', async (t) => {
  const { types, schemas, errors } = await catalogOf(t, {
    '_item.json': ITEM,
    'com.example.a.json': { type: 'array', items: { $ref: '_item.json' } },
  })
  assert.deepEqual(errors, [])
  assert.deepEqual(
    types.map(({ type }) => type),
    ['com.example.a'],
  )
  assert.deepEqual(schemas['com.example.a'], {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'array',
    items: { $ref: '#/$defs/_item.json' },
    $defs: { '_item.json': ITEM },
  })
})

test('no folder is no schemas', async (t) => {
  assert.deepEqual((await catalogOf(t, {})).schemas, {})
})

test('references lead through files, back to the first, and into their parts', async (t) => {
  const { schemas, errors } = await catalogOf(t, {
    'tree.json': {
      $defs: { n: { type: 'integer' } },
      properties: { kids: { $ref: './_kids.json' } },
    },
    '_kids.json': {
      items: { $ref: 'tree.json' },
      maxItems: 3,
      $defs: { own: { $ref: '#/items' } },
    },
    'deep.json': { $ref: 'tree.json#/$defs/n' },
  })
  assert.deepEqual(errors, [])
  assert.deepEqual(schemas['tree'], {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $defs: {
      n: { type: 'integer' },
      '_kids.json': {
        items: { $ref: '#' },
        maxItems: 3,
        $defs: { own: { $ref: '#/$defs/_kids.json/items' } },
      },
    },
    properties: { kids: { $ref: '#/$defs/_kids.json' } },
  })
  assert.match(JSON.stringify(schemas['deep']), /"\$ref":"#\/\$defs\/tree\.json\/\$defs\/n"/)
})

test('a property or a value called $ref is no reference', async (t) => {
  const { errors } = await catalogOf(t, {
    'a.json': { properties: { $ref: { const: { $ref: 'http://x' } } }, enum: [{ $ref: 'y' }] },
  })
  assert.deepEqual(errors, [])
})

test('draft-07 keeps its own place for definitions', async (t) => {
  const { schemas, errors } = await catalogOf(t, {
    'a.json': { $schema: DRAFT_07, items: [{ $ref: '_b.json' }], additionalItems: false },
    '_b.json': { $schema: 'http://json-schema.org/draft-07/schema', type: 'string' },
  })
  assert.deepEqual(errors, [])
  assert.match(JSON.stringify(schemas['a']), /"definitions":\{"_b\.json":\{"type":"string"\}\}/)
})

const BAD: Record<string, [unknown, RegExp]> = {
  'no JSON': ['{"type"', /^schemas\/a\.json is not JSON: /],
  'a list': [[], /^schemas\/a\.json: #: a schema must be a JSON object$/],
  'an old draft': [
    { $schema: 'http://json-schema.org/draft-04/schema#' },
    /#\/\$schema: ".*draft-04.*draft 2020-12 and draft-07 are/,
  ],
  'a misspelt keyword': [
    { properties: { a: { requried: ['b'] } } },
    /^schemas\/a\.json: #\/properties\/a: the keyword "requried" is not known; did you mean required\?$/,
  ],
  'a keyword of the other draft': [
    { $schema: DRAFT_07, prefixItems: [] },
    /prefixItems belongs to another draft, with "\$schema": "https:/,
  ],
  'an anchor': [{ $anchor: 'a' }, /\$anchor is not supported; use \$ref/],
  'a wrong type': [
    { properties: { a: { type: 'strnig' } } },
    /^schemas\/a\.json: properties\.a\.type must be "array", .* or "string", but is "strnig"; did you mean "string"\?$/,
  ],
  'a keyword with a wrong value': [{ minimum: '5' }, /schemas\/a\.json: minimum must be a number/],
  'an unknown format': [{ format: 'phone' }, /#\/format: "phone" is not known; known are byte/],
  'a pattern that backtracks': [
    { items: { pattern: '^(?=a)(b)\\1$' } },
    /#\/items\/pattern: .*linear.*without look-around and back-references/,
  ],
  'a remote reference': [
    { items: { $ref: 'https://example.com/x.json' } },
    /#\/items\/\$ref: "https:.*" is not in the folder of the schemas: nothing is fetched/,
  ],
  'a reference out of the folder': [{ $ref: '../secret.json' }, /not in the folder/],
  'a reference to no file': [{ $ref: '_b.json' }, /names a file that is not there/],
  'a reference to nothing': [{ $ref: '#/$defs/x' }, /"#\/\$defs\/x" leads to no schema/],
  'an inner $id': [{ items: { $id: 'x' } }, /#\/items\/\$id: only a whole file/],
}
for (const [what, [schema, message]] of Object.entries(BAD)) {
  test(`${what} is refused with its place`, async (t) => {
    const { schemas, errors } = await catalogOf(t, { 'a.json': schema, 'good.json': ITEM })
    assert.deepEqual(Object.keys(schemas), ['good'])
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['FN_SCHEMA_INVALID'],
    )
    assert.match(errors[0]?.message ?? '', message)
  })
}

test('schemas nested without end are refused instead of taking the stack', async (t) => {
  const schema = `${'{"not":'.repeat(5_000)}{}${'}'.repeat(5_000)}`
  const { errors } = await catalogOf(t, { 'a.json': schema })
  assert.match(errors[0]?.message ?? '', /nested deeper than 64 levels/)
})

test('files of two drafts do not mix', async (t) => {
  const { errors } = await catalogOf(t, {
    'a.json': { $ref: '_b.json' },
    '_b.json': { $schema: DRAFT_07 },
  })
  assert.match(errors[0]?.message ?? '', /another draft/)
})

test('a function declares schemas, which may use the files', async (t) => {
  const { types, errors } = await catalogOf(
    t,
    { '_item.json': ITEM },
    { b: { $ref: '_item.json' } },
  )
  assert.deepEqual(errors, [])
  assert.equal(types[0]?.document.place, 'functions/a.ts: schemas["b"]')
})

test('two places that say the same are one, and two that differ are an error that names both', async (t) => {
  const files = { 'b.json': { type: 'object', minProperties: 1 } }
  const same = await catalogOf(t, files, { b: { minProperties: 1, type: 'object' } })
  assert.deepEqual([same.errors, same.types.length], [[], 1])
  const other = await catalogOf(t, files, { b: { type: 'array' } })
  assert.match(
    other.errors[0]?.message ?? '',
    /^The type b has two schemas that differ, in schemas\/b\.json and in functions\/a\.ts: schemas\["b"\]: keep one$/,
  )
})
