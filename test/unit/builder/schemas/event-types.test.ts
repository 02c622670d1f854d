import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventTypes } from '../../../../builder/schemas/event-types.ts'
import { typeName } from '../../../../builder/schemas/type-names.ts'
import { catalogOf } from '../../../support/schema-catalog.ts'

test('a type is called by its title, else by the end of the event type and its version', async (t) => {
  assert.equal(typeName('com.company.orders.created'), 'OrdersCreated')
  assert.equal(typeName('com.company.orders.created.v2'), 'OrdersCreatedV2')
  assert.equal(typeName('ping'), 'Ping')
  assert.equal(typeName('com.7-eleven.2go'), 'Type7Eleven2go')
  const text = await eventTypes(
    await catalogOf(t, { 'a.b.json': { title: 'order created', type: 'object' } }),
  )
  assert.match(text, /'a\.b': OrderCreated/)
})

test('files that others use are one type each, however often they are used', async (t) => {
  const list = { type: 'array', items: { $ref: '_item.json' } }
  const files = { '_item.json': { type: 'object' }, 'x.a.json': list, 'x.b.json': list }
  const text = await eventTypes(await catalogOf(t, files))
  assert.match(text, /export type XA = Item\[\]\n/)
  assert.equal(text.match(/interface Item\b/g)?.length, 1)
  assert.doesNotMatch(text, /Item1/)
})

test('a property that no schema names is not there', async (t) => {
  const text = await eventTypes(
    await catalogOf(t, { 'a.json': { type: 'object', properties: { n: { type: 'number' } } } }),
  )
  assert.doesNotMatch(text, /\[k: string\]/)
})

test('tuples of both drafts become tuples', async (t) => {
  const items = [{ type: 'string' }, { type: 'number' }]
  const text = await eventTypes(
    await catalogOf(t, {
      'x.new.json': { type: 'array', prefixItems: items, items: false, minItems: 2 },
      'x.old.json': {
        $schema: 'http://json-schema.org/draft-07/schema#',
        type: 'array',
        items,
        additionalItems: false,
        minItems: 2,
      },
    }),
  )
  assert.equal(text.match(/\[string, number\]/g)?.length, 2, text)
})

test('the same schemas give the same text', async (t) => {
  const files = { 'x.a.json': { properties: { b: { $ref: 'x.b.json' } } }, 'x.b.json': {} }
  assert.equal(
    await eventTypes(await catalogOf(t, files)),
    await eventTypes(await catalogOf(t, files)),
  )
})

test('two schemas of one name are refused, and a title helps', async (t) => {
  const files = { 'com.a.orders.created.json': {}, 'com.b.orders.created.json': {} }
  await assert.rejects(
    catalogOf(t, files).then(eventTypes),
    /com\.a\..* and .*com\.b\..* would both be the TypeScript type OrdersCreated: give one a title/,
  )
  const titled = { ...files, 'com.b.orders.created.json': { title: 'Other' } }
  assert.match(await eventTypes(await catalogOf(t, titled)), /'com\.b\.orders\.created': Other/)
})

test('without schemas there is an empty map', async (t) => {
  assert.match(await eventTypes(await catalogOf(t, {})), /export interface EventTypes \{\}/)
})
