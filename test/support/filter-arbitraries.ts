/** Events and filters over few names and few values, so that they meet often. */
import fc from 'fast-check'
import type { AttributeValue, Attributes, Event, EventData } from '../../runtime/contract/event.ts'
import type { DataCondition, Filter } from '../../runtime/contract/metadata.ts'
import { cesqlText } from './filter-cesql-arbitraries.ts'

const NAMES = [
  'type',
  'source',
  'subject',
  'dataschema',
  'schemaurl',
  'datacontenttype',
  'priority',
  'constructor',
] as const
const TEXTS = ['a', 'ab', 'abc', 'b', 'ba', 'A', '5', 'true', 'ä'] as const
const PATHS = [
  'amount',
  'tier',
  'items.0.sku',
  'items.length',
  'constructor',
  '__proto__.x',
] as const
const SCALARS = ['a', 'ab', 'b', '', 5, 5.5, 6, -1, true, false, null] as const

const name = fc.constantFrom(...NAMES)
const text = fc.constantFrom(...TEXTS)
const scalar = fc.constantFrom(...SCALARS)
const comparable = fc.constantFrom('a', 'ab', 'b', 5, 5.5, 6)

const attributeValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  { weight: 5, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom('', 5, -7, true, false) },
)

const attributes: fc.Arbitrary<Attributes> = fc
  .record(
    {
      type: text,
      source: text,
      subject: text,
      dataschema: text,
      datacontenttype: text,
      priority: attributeValue,
      constructor: attributeValue,
    },
    { requiredKeys: ['type', 'source'] },
  )
  .map((some): Attributes => ({ specversion: '1.0', id: '1', ...some }))

const jsonText = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record(
        {
          amount: scalar,
          tier: scalar,
          items: fc.oneof(fc.array(fc.record({ sku: scalar })), scalar),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('5', 'null', '[]', '"a"', '{"__proto__":{"x":"a"}}', '{', ''),
  },
)

const data: fc.Arbitrary<EventData | undefined> = fc.oneof(
  {
    weight: 8,
    arbitrary: jsonText.map((json): EventData => ({ kind: 'json', bytes: Buffer.from(json) })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<EventData | undefined>(
      undefined,
      { kind: 'text', bytes: Buffer.from('{"amount":5}') },
      { kind: 'binary', bytes: Buffer.from([0xff, 0x00]) },
      { kind: 'json', bytes: Buffer.from([0x22, 0xff, 0x22]) },
    ),
  },
)

export const eventArbitrary: fc.Arbitrary<Event> = fc.record({ attributes, data })

const textMap = fc.dictionary(name, text, { minKeys: 1, maxKeys: 3 })
const condition: fc.Arbitrary<DataCondition> = fc
  .record<DataCondition>(
    {
      equals: scalar,
      prefix: text,
      suffix: text,
      in: fc.array(scalar, { minLength: 1, maxLength: 3 }),
      gt: comparable,
      gte: comparable,
      lt: comparable,
      lte: comparable,
      exists: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .chain((full) => {
    const members = Object.entries(full)
    return fc.subarray(members, { maxLength: Math.min(2, members.length) })
  })
  .map((members): DataCondition => Object.fromEntries(members))
  .filter((members) => Object.keys(members).length > 0)

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  { weight: 4, arbitrary: textMap.map((exact) => ({ exact })) },
  { weight: 1, arbitrary: textMap.map((prefix) => ({ prefix })) },
  { weight: 1, arbitrary: textMap.map((suffix) => ({ suffix })) },
  {
    weight: 1,
    arbitrary: fc
      .dictionary(name, fc.boolean(), { minKeys: 1, maxKeys: 2 })
      .map((exists) => ({ exists })),
  },
  { weight: 2, arbitrary: cesqlText.map((cesql) => ({ cesql })) },
  {
    weight: 2,
    arbitrary: fc
      .dictionary(fc.constantFrom(...PATHS), condition, { minKeys: 1, maxKeys: 2 })
      .map((conditions) => ({ data: conditions })),
  },
)

const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 4, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    },
    {
      weight: 2,
      arbitrary: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
    },
    { weight: 1, arbitrary: tie('filter').map((not) => ({ not })) },
  ),
}))

export const filtersArbitrary: fc.Arbitrary<Filter[]> = fc.array(filter, { maxLength: 3 })
