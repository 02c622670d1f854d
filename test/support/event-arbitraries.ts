import fc from 'fast-check'
import type { Attributes, AttributeValue, Event } from '../../runtime/contract/event.ts'

/** An event with the four required attributes and what `more` adds; without data unless given. */
export function sampleEvent(more: Partial<Attributes> = {}, data?: Event['data']): Event {
  return {
    attributes: { specversion: '1.0', id: 'A-1', source: '/shop', type: 'com.example.t', ...more },
    data,
  }
}

/** Text that an attribute may hold: any characters but controls, lone surrogates, noncharacters. */
export const attributeText = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((text) => text.replace(/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu, ''))

const requiredText = attributeText.filter((text) => text !== '')

const attributeValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  attributeText,
  fc.boolean(),
  fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
)

const CORE_NAMES = new Set(
  'specversion id source type subject time dataschema datacontenttype data partitionkey'.split(' '),
)

const extensionName = fc
  .string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'.split('')),
    minLength: 1,
    maxLength: 24,
  })
  .filter((name) => !CORE_NAMES.has(name))

const extensions = fc.dictionary(extensionName, attributeValue, {
  maxKeys: 5,
  noNullPrototype: true,
})

const time = fc.constantFrom(
  '2026-01-02T03:04:05Z',
  '2018-04-05T17:31:24.123456789+02:00',
  '2016-12-31t23:59:60.5z',
  '0001-01-01T00:00:00-00:00',
)

/** Attributes with every optional one in or out; `datacontenttype` is left to the data. */
const attributes = fc
  .tuple(
    fc.record({ id: requiredText, source: requiredText, type: requiredText }),
    fc.record(
      {
        subject: requiredText,
        time,
        dataschema: fc.constantFrom('https://example.com/s.json#/a', 'urn:x:y'),
        partitionkey: requiredText,
      },
      { requiredKeys: [] },
    ),
    extensions,
  )
  .map(([required, optional, more]) => ({
    specversion: '1.0',
    ...required,
    ...optional,
    ...more,
  }))

/** JSON texts as producers write them: any spacing, numbers beyond doubles, doubled members. */
export const jsonText = fc.oneof(
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value, undefined, 2)),
  fc.constantFrom(
    'null',
    '0',
    '""',
    '12345678901234567890123456789.000000000000000001',
    '{"a":1,"a":2}',
    '1E-400',
    '"\\ud800"',
  ),
)

/** Data and the content type under which its kind is what every binding reads back. */
export const typedData = fc.oneof(
  fc.tuple(
    fc.constantFrom('application/json', 'Application/CloudJob+JSON; charset=utf-8'),
    jsonText.map((text) => ({ kind: 'json' as const, bytes: Buffer.from(text) })),
  ),
  fc.tuple(
    fc.constantFrom('text/plain', 'TEXT/XML; charset="UTF-8"', 'application/yaml'),
    fc.string({ unit: 'binary' }).map((text) => ({
      kind: 'text' as const,
      bytes: Buffer.from(text),
    })),
  ),
  fc.tuple(
    fc.constantFrom(undefined, 'application/octet-stream', 'image/png'),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => ({
      kind: 'binary' as const,
      bytes: Buffer.from(bytes),
    })),
  ),
  // What claims to be JSON and is not: it must come through all the same.
  fc.tuple(
    fc.constant('application/json'),
    fc.constantFrom('1},{"x":2', '{"a":1}}', '[1', '', ' ', '\uFEFF{}').map((text) => ({
      kind: 'json' as const,
      bytes: Buffer.from(text),
    })),
  ),
)

export const anyEvent: fc.Arbitrary<Event> = fc
  .tuple(attributes, fc.option(typedData, { nil: undefined }))
  .map(([some, typed]) => {
    if (!typed) return { attributes: some, data: undefined }
    const [datacontenttype, data] = typed
    return {
      attributes: datacontenttype === undefined ? some : { ...some, datacontenttype },
      data,
    }
  })
