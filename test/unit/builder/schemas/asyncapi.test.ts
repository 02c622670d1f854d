import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asyncApiDocument, type Documented } from '../../../../builder/schemas/asyncapi.ts'
import { atPointer } from '../../../../runtime/contract/json-schema.ts'
import { isRecord } from '../../../../runtime/contract/schema-problems.ts'
import { catalogOf } from '../../../support/schema-catalog.ts'

const GIVEN: Omit<Documented, 'catalog'> = {
  info: { title: 'shop', version: '1.2.3' },
  ingress: '127.0.0.1:8080',
  kafka: ['kafka:9092'],
  triggers: [
    {
      name: 'events/watch',
      broker: 'events/b',
      topic: 'knative-broker-events-b',
      group: 'knative-trigger-events-watch',
      filters: [{ prefix: { type: 'x.' } }],
      subscriber: 'function watch',
      description: 'Watches.',
    },
    {
      name: 'events/one',
      broker: 'events/b',
      topic: 'knative-broker-events-b',
      group: 'knative-trigger-events-one',
      filters: [{ any: [{ exact: { type: 'x.a' } }, { exact: { type: 'y/z' } }] }],
      subscriber: 'function one',
    },
  ],
  replies: [{ function: 'one', broker: 'events/b', types: ['done'] }],
}
const SCHEMAS = {
  '_item.json': { type: 'array', prefixItems: [{ type: 'string' }] },
  'x.a.json': { title: 'First', description: 'What it is.', items: { $ref: '_item.json' } },
}

test('brokers are channels, types messages, triggers and replies operations', async (t) => {
  const doc = asyncApiDocument({ ...GIVEN, catalog: await catalogOf(t, SCHEMAS) })
  const { channels, operations, components } = doc as Record<string, Record<string, never>>
  assert.deepEqual(Object.keys(channels ?? {}), ['events.b'])
  assert.deepEqual(Object.keys(channels?.['events.b']?.['messages'] ?? {}), ['done', 'x.a', 'y_z'])
  assert.deepEqual(Object.keys(operations ?? {}), [
    'events.watch.receive',
    'events.one.receive',
    'events.b.one.send',
  ])
  assert.deepEqual(operations?.['events.watch.receive']?.['messages'], [
    { $ref: '#/channels/events.b/messages/x.a' },
  ])
  const messages = components?.['messages'] as Record<string, Record<string, unknown>> | undefined
  assert.equal(messages?.['y_z']?.['name'], 'y/z')
  assert.equal(messages?.['x.a']?.['title'], 'First')
  assert.deepEqual(messages?.['x.a']?.['payload'], { $ref: '#/components/schemas/First' })
})

test('every reference of the document leads somewhere', async (t) => {
  const doc = asyncApiDocument({ ...GIVEN, catalog: await catalogOf(t, SCHEMAS) })
  const references = JSON.stringify(doc).match(/(?<="\$ref":"#)[^"]+/g) ?? []
  assert.ok(references.length > 8)
  for (const reference of references) assert.ok(isRecord(atPointer(doc, reference)), reference)
})

test('payloads are in the words of draft-07, which AsyncAPI speaks', async (t) => {
  const doc = asyncApiDocument({ ...GIVEN, catalog: await catalogOf(t, SCHEMAS) })
  assert.deepEqual(atPointer(doc, '/components/schemas/Item'), {
    type: 'array',
    items: [{ type: 'string' }],
  })
})

test('filters are told in words, also those in CESQL', async (t) => {
  const [watch, one] = GIVEN.triggers
  assert.ok(watch !== undefined && one !== undefined)
  const triggers = [
    { ...watch, filters: [] },
    { ...one, filters: [{ exact: { source: '/s' } }, { cesql: "type LIKE 'x.%'" }] },
  ]
  const doc = asyncApiDocument({ ...GIVEN, triggers, catalog: await catalogOf(t, SCHEMAS) })
  const descriptionOf = (name: string): unknown => {
    const operation = atPointer(doc, `/operations/${name}`)
    return isRecord(operation) ? operation['description'] : undefined
  }
  assert.equal(descriptionOf('events.watch.receive'), 'Function watch takes every event.')
  assert.equal(
    descriptionOf('events.one.receive'),
    `Function one takes events where source is "/s" and (type LIKE 'x.%').`,
  )
})
