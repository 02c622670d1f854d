import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AttributeValue, Event } from '../../../runtime/contract/event.ts'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { compileFilter } from '../../../runtime/filter/compile.ts'
import { LazyData } from '../../../runtime/filter/lazy-data.ts'
import { eventArbitrary, filtersArbitrary } from '../../support/filter-arbitraries.ts'
import { referenceMatches } from '../../support/filter-reference.ts'

const CREATED = 'com.company.orders.created'

interface Case {
  filters: Filter[]
  attributes?: Record<string, AttributeValue>
  data?: unknown
  matches: boolean
  says: string
}

const CASES: Case[] = [
  { says: 'no filter passes everything', filters: [], matches: true },
  { says: 'exact compares the whole text', filters: [{ exact: { type: CREATED } }], matches: true },
  {
    says: 'exact is case-sensitive',
    filters: [{ exact: { type: CREATED.toUpperCase() } }],
    matches: false,
  },
  {
    says: 'several keys of one map are ANDed',
    filters: [{ exact: { type: CREATED, source: '/elsewhere' } }],
    matches: false,
  },
  {
    says: 'several filters are ANDed',
    filters: [{ prefix: { type: 'com.' } }, { suffix: { type: '.updated' } }],
    matches: false,
  },
  { says: 'prefix passes', filters: [{ prefix: { type: 'com.company.' } }], matches: true },
  { says: 'suffix passes', filters: [{ suffix: { type: '.created' } }], matches: true },
  {
    says: 'a prefix on an absent subject does not match and does not throw',
    filters: [{ prefix: { subject: 'order/' } }],
    matches: false,
  },
  {
    says: 'a suffix on an absent datacontenttype does not match and does not throw',
    filters: [{ suffix: { datacontenttype: '+json' } }],
    matches: false,
  },
  {
    says: 'an integer extension compares by its canonical text',
    filters: [{ exact: { attempt: '5' } }],
    attributes: { attempt: 5 },
    matches: true,
  },
  {
    says: 'a boolean extension compares by its canonical text',
    filters: [{ exact: { urgent: 'true' } }],
    attributes: { urgent: true },
    matches: true,
  },
  {
    says: 'what every object inherits is no attribute',
    filters: [{ exists: { constructor: true } }],
    matches: false,
  },
  {
    says: 'exists takes any value, the empty one too',
    filters: [{ exists: { subject: true } }],
    attributes: { subject: '' },
    matches: true,
  },
  {
    says: 'exists: false wants it missing',
    filters: [{ exists: { subject: false } }],
    matches: true,
  },
  {
    says: "Knative's old name reads dataschema",
    filters: [{ exact: { schemaurl: 'urn:a' } }, { prefix: { dataschema: 'urn:' } }],
    attributes: { dataschema: 'urn:a', schemaurl: 'urn:b' },
    matches: true,
  },
  {
    says: 'time compares as the text that was written',
    filters: [{ exact: { time: '2026-01-02T03:04:05Z' } }],
    attributes: { time: '2026-01-02T04:04:05+01:00' },
    matches: false,
  },
  {
    says: 'an expression passes where it is TRUE',
    filters: [{ cesql: "type LIKE 'com.%' AND attempt > 4" }],
    attributes: { attempt: '5' },
    matches: true,
  },
  {
    says: 'an expression that ends with an error does not match and does not throw',
    filters: [{ cesql: 'attempt > 4' }],
    attributes: { attempt: 'many' },
    matches: false,
  },
  {
    says: 'a value that is no Boolean does not match',
    filters: [{ cesql: 'urgent' }],
    attributes: { urgent: 'true' },
    matches: false,
  },
  {
    says: 'not of an expression with an error passes',
    filters: [{ not: { cesql: 'attempt > 4' } }],
    matches: true,
  },
  { says: 'not negates', filters: [{ not: { exact: { type: CREATED } } }], matches: false },
  {
    says: 'not of a filter on an absent attribute passes',
    filters: [{ not: { exact: { subject: 'x' } } }],
    matches: true,
  },
  {
    says: 'any is OR',
    filters: [{ any: [{ exact: { type: 'x' } }, { exact: { source: '/shop' } }] }],
    matches: true,
  },
  {
    says: 'all is AND',
    filters: [{ all: [{ exact: { type: CREATED } }, { exact: { source: '/x' } }] }],
    matches: false,
  },
  {
    says: 'gte includes its bound',
    filters: [{ data: { n: { gte: 100 } } }],
    data: { n: 100 },
    matches: true,
  },
  {
    says: 'gt does not',
    filters: [{ data: { n: { gt: 100 } } }],
    data: { n: 100 },
    matches: false,
  },
  {
    says: 'lte includes its bound',
    filters: [{ data: { n: { lte: 1 } } }],
    data: { n: 1 },
    matches: true,
  },
  { says: 'lt does not', filters: [{ data: { n: { lt: 1 } } }], data: { n: 1 }, matches: false },
  {
    says: 'a number in a text is no number',
    filters: [{ data: { n: { gte: 100 } } }],
    data: { n: '150' },
    matches: false,
  },
  {
    says: 'strings compare by code unit',
    filters: [{ data: { name: { gt: 'Z' } } }],
    data: { name: 'a' },
    matches: true,
  },
  {
    says: 'null is a value that is there',
    filters: [{ data: { n: { exists: true, equals: null } } }],
    data: { n: null },
    matches: true,
  },
  {
    says: 'a missing path is not null',
    filters: [{ data: { n: { equals: null } } }],
    data: {},
    matches: false,
  },
  {
    says: 'exists: false on a missing path',
    filters: [{ data: { n: { exists: false } } }],
    data: {},
    matches: true,
  },
  {
    says: 'exists: false on an event without data does not match',
    filters: [{ data: { n: { exists: false } } }],
    matches: false,
  },
  {
    says: 'a path goes through objects and arrays',
    filters: [{ data: { 'items.1.sku': { equals: 'b' } } }],
    data: { items: [{ sku: 'a' }, { sku: 'b' }] },
    matches: true,
  },
  {
    says: 'an array has items, and no length',
    filters: [{ data: { 'items.length': { exists: true } } }],
    data: { items: [1] },
    matches: false,
  },
  {
    says: 'in takes values of different kinds',
    filters: [{ data: { n: { in: ['5', 5, null] } } }],
    data: { n: 5 },
    matches: true,
  },
  {
    says: 'a prefix of a value that is no text does not match',
    filters: [{ data: { n: { prefix: '1' } } }],
    data: { n: 10 },
    matches: false,
  },
]

describe('compileFilter', () => {
  for (const { says, filters, attributes, data, matches } of CASES) {
    it(says, () => {
      assert.equal(run(filters, order({ attributes, data })), matches)
    })
  }

  it('agrees with the reference on any event and any filter', () => {
    fc.assert(
      fc.property(eventArbitrary, filtersArbitrary, (event, filters) => {
        assert.equal(run(filters, event), referenceMatches(event, filters))
      }),
      { numRuns: 3_000 },
    )
  })

  it('looks at the data only once the attributes have passed, wherever they stand', () => {
    const compiled = compileFilter([
      { data: { amount: { gte: 100 } } },
      { any: [{ data: { amount: { gte: 1 } } }, { exact: { type: CREATED } }] },
      { exact: { source: '/elsewhere' } },
    ])
    const event = order({ data: { amount: 100 } })
    Object.defineProperty(event, 'data', { get: () => assert.fail('the data was read') })
    assert.equal(compiled.matches(event, new LazyData(event)), false)
  })

  it('looks at no data where an alternative on attributes passes', () => {
    const compiled = compileFilter([
      { any: [{ data: { amount: { gte: 1 } } }, { exact: { type: CREATED } }] },
    ])
    const event = order({ data: { amount: 100 } })
    Object.defineProperty(event, 'data', { get: () => assert.fail('the data was read') })
    assert.equal(compiled.matches(event, new LazyData(event)), true)
  })

  it('refuses a filter of no known dialect', () => {
    assert.throws(
      () => compileFilter([{ cesql: 'type =' }]),
      (error) => isMillraceError(error, 'FN_FILTER_INVALID'),
    )
    assert.throws(
      () => compileFilter([{ sql: 'TRUE' } as unknown as Filter]),
      (error) => isMillraceError(error, 'FN_FILTER_INVALID'),
    )
  })
})

describe("the guide's custom filter as metadata", () => {
  const guide: Filter[] = [
    {
      any: [
        { exact: { type: 'com.company.orders.created' } },
        { exact: { type: 'com.company.orders.updated' } },
      ],
    },
    { data: { amount: { gte: 100 } } },
    { exact: { priority: 'high' } },
  ]
  const rows: Array<
    [says: string, type: string, data: unknown, priority: string | null, matches: boolean]
  > = [
    ['a created order of high value and priority passes', CREATED, { amount: 150.5 }, 'high', true],
    ['so does an updated one', 'com.company.orders.updated', { amount: 100 }, 'high', true],
    ['another type does not', 'com.company.orders.deleted', { amount: 150 }, 'high', false],
    ['99.99 is too little', CREATED, { amount: 99.99 }, 'high', false],
    ['no amount counts as 0', CREATED, { id: 1 }, 'high', false],
    ['low priority does not pass', CREATED, { amount: 150 }, 'low', false],
    ['no priority does not pass', CREATED, { amount: 150 }, null, false],
  ]
  for (const [says, type, data, priority, matches] of rows) {
    it(says, () => {
      const attributes = { type, ...(priority === null ? {} : { priority }) }
      assert.equal(run(guide, order({ attributes, data })), matches)
    })
  }
})

function run(filters: readonly Filter[], event: Event): boolean {
  return compileFilter(filters).matches(event, new LazyData(event))
}

function order({
  attributes = {},
  data,
}: {
  attributes?: Record<string, AttributeValue> | undefined
  data?: unknown
}): Event {
  return {
    attributes: { specversion: '1.0', id: '1', source: '/shop', type: CREATED, ...attributes },
    data:
      data === undefined ? undefined : { kind: 'json', bytes: Buffer.from(JSON.stringify(data)) },
  }
}
