import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { Type } from 'typebox'
import { filterProblems, filtersOf } from '../../../runtime/contract/filter-check.ts'
import { Filter } from '../../../runtime/contract/metadata.ts'
import { filtersArbitrary } from '../../support/filter-arbitraries.ts'

const GOOD: unknown[] = [
  { exact: { type: 'a', source: '/b' } },
  { prefix: { type: 'a' } },
  { suffix: { dataschema: '.json' } },
  { exists: { subject: true, priority: false } },
  { all: [{ any: [{ not: { exact: { x1: 'y' } } }] }] },
  { data: { amount: { gte: 100, lt: 200 }, 'items.0.sku': { in: ['a', null, 1, true] } } },
  { cesql: "type LIKE 'com.%' AND EXISTS subject" },
  { data: { name: { gt: 'a', prefix: 'b' }, old: { exists: false }, n: { equals: null } } },
]

const BAD: Array<[filter: unknown, ...problems: string[]]> = [
  ['exact', 'f[0] must be an object, but is "exact"'],
  [null, 'f[0] must be an object, but is null'],
  [{}, 'f[0] is empty; it needs one of exact, prefix, suffix, exists, all, any, not, data, cesql'],
  [{ exat: { type: 'a' } }, 'f[0].exat is not known; did you mean "exact"?'],
  [
    { xpath: 'TRUE' },
    'f[0].xpath is not known; known are exact, prefix, suffix, exists, all, any, not, data, cesql',
  ],
  [{ cesql: ['TRUE'] }, 'f[0].cesql must be a string, but is ["TRUE"]'],
  [{ cesql: ' ' }, 'f[0].cesql is empty; give it an expression such as "type LIKE \'com.%\'"'],
  [
    { not: { cesql: "type = 'a' AND\n )" } },
    'f[0].not.cesql: line 2, column 2: expected a value, found ")"',
  ],
  [
    { cesql: 'LENGHT(id) > 5' },
    'f[0].cesql: line 1, column 1: there is no function LENGHT; did you mean LENGTH?',
  ],
  [
    { cesql: 'LENGTH(id)' },
    'f[0].cesql: the value is of the type Integer, and only TRUE lets an event pass; compare it with something',
  ],
  [
    { exact: { type: 'a' }, prefix: { source: 'b' } },
    'f[0] has exact and prefix; one object holds one of them, so split it: { exact: … }, { prefix: … }',
  ],
  [{ exact: {} }, 'f[0].exact is empty; name an attribute or remove it'],
  [{ exact: 'type' }, 'f[0].exact must be an object, but is "type"'],
  [
    { exact: { type: '' } },
    'f[0].exact.type is empty; give it a text, or use exists for "there with any value"',
  ],
  [{ suffix: { type: 5 } }, 'f[0].suffix.type must be a string, but is 5'],
  [
    { prefix: { dataSchema: 'a' } },
    'f[0].prefix: "dataSchema" is no attribute name; did you mean "dataschema"?',
  ],
  [
    { exact: { data: '5' } },
    'f[0].exact: "data" is no attribute; use { data: … } for a value inside the data',
  ],
  [
    { exact: { 'data.amount': '5' } },
    'f[0].exact: "data.amount" is no attribute name; use { data: … } for a value inside the data',
  ],
  [
    { exists: { '1st': 'yes' } },
    'f[0].exists: "1st" is no attribute name; names are made of a-z and 0-9 and begin with a letter',
    'f[0].exists.1st must be true or false, but is "yes"',
  ],
  [{ all: [] }, 'f[0].all is empty; give it a filter or remove it'],
  [{ any: [] }, 'f[0].any is empty; give it a filter or remove it'],
  [{ any: { exact: {} } }, 'f[0].any must be an array, but is {"exact":{}}'],
  [{ not: [{ exact: { a: 'b' } }] }, 'f[0].not must be an object, but is [{"exact":{"a":"b"}}]'],
  [
    { any: [{ not: { all: [{ exact: { a: 'b' } }, { exact: {} }] } }] },
    'f[0].any[0].not.all[1].exact is empty; name an attribute or remove it',
  ],
  [{ data: {} }, 'f[0].data is empty; name a path of the data or remove it'],
  [
    { data: { 'a..b': { exists: true } } },
    'f[0].data: "a..b" is no path; write for example customer.tier',
  ],
  [{ data: { amount: 100 } }, 'f[0].data["amount"] must be a condition such as { equals: 100 }'],
  [
    { data: { amount: {} } },
    'f[0].data["amount"] is empty; it needs one of equals, prefix, suffix, in, gt, gte, lt, lte, exists',
  ],
  [
    { data: { amount: { equal: 1 } } },
    'f[0].data["amount"].equal is not known; did you mean "equals"?',
  ],
  [
    { data: { amount: { in: [] } } },
    'f[0].data["amount"].in is empty; it needs at least one value',
  ],
  [
    { data: { amount: { in: [{}], gt: true, equals: [], exists: 1 } } },
    'f[0].data["amount"].in[0] must be a string, number, boolean or null, but is {}',
    'f[0].data["amount"].gt must be a number or a string, but is true',
    'f[0].data["amount"].equals must be a string, number, boolean or null, but is []',
    'f[0].data["amount"].exists must be true or false, but is 1',
  ],
  [
    { data: { amount: { gt: 5, lte: '9' } } },
    'f[0].data["amount"] asks for a text (lte) and for a number (gt); nothing is converted, so use one kind',
  ],
  [
    { data: { amount: { exists: false, gt: 5 } } },
    'f[0].data["amount"] asks for gt of what exists: false says is missing',
  ],
  [
    { data: { amount: { gt: Number.NaN } } },
    'f[0].data["amount"].gt must be a number or a string, but is null',
  ],
]

describe('filterProblems', () => {
  it('finds nothing in filters that can be run', () => {
    assert.deepEqual(filterProblems(GOOD, 'f'), [])
  })

  for (const [filter, ...problems] of BAD) {
    it(`refuses ${JSON.stringify(filter)}`, () => {
      assert.deepEqual(filterProblems([filter], 'f'), problems)
    })
  }
})

describe('filterProblems beside the schema', () => {
  const accepts = new Ajv({ strict: true }).compile(Type.Array(Filter))

  it('finds a problem in everything that the schema refuses', () => {
    let refused = 0
    fc.assert(
      fc.property(fc.oneof(filtersArbitrary, fc.array(almostFilter())), (filters: unknown[]) => {
        if (accepts(filters)) return
        refused++
        assert.notDeepEqual(filterProblems(filters, 'f'), [], JSON.stringify(filters))
      }),
      { numRuns: 2_000 },
    )
    assert.ok(refused > 200, `only ${refused} were refused`)
  })
})

/** Objects with the right keys and any values. */
function almostFilter(): fc.Arbitrary<unknown> {
  const key = fc.constantFrom(...'exact exists all any not data cesql type in gt'.split(' '))
  const plain = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
  return fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      plain,
      fc.dictionary(key, tie('value'), { minKeys: 1, maxKeys: 2 }),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
  })).value
}

describe('filtersOf', () => {
  it("turns filter.attributes into filters; an empty value asks for the attribute's presence", () => {
    const filter = { attributes: { type: 'a', priority: '' } }
    const expected = { filters: [{ exact: { type: 'a' } }, { exists: { priority: true } }] }
    assert.deepEqual(filtersOf({ filter }, 't'), expected)
    assert.deepEqual(filtersOf({ filter, filters: [] }, 't'), expected)
  })

  it('lets everything pass where there is none', () => {
    assert.deepEqual(filtersOf({}, 't'), { filters: [] })
    assert.deepEqual(filtersOf({ filter: {} }, 't'), { filters: [] })
    assert.deepEqual(filtersOf({ filter: { attributes: {} } }, 't'), { filters: [] })
  })

  it('lets filters win over filter and says so', () => {
    const filters = [{ exact: { type: 'b' } }]
    assert.deepEqual(filtersOf({ filter: { attributes: { type: 'a' } }, filters }, 't'), {
      filters,
      warning:
        't.filter is ignored, because t.filters is there and wins over it; remove one of them',
    })
  })
})
