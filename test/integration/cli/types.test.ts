import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { project } from '../../support/project.ts'
import { refusalOf, send } from '../../support/ingress-fixture.ts'

const FUNCTION = `
import type { CloudEvent, FunctionMetadata } from 'millrace'
import type { OrderCreated } from './_events.ts'
export const metadata = {
  description: 'Takes orders.',
  triggers: [{ broker: 'events/b', filters: [{ exact: { type: 'shop.order' } }] }],
} satisfies FunctionMetadata
export function handler(event: CloudEvent<OrderCreated>) {
  return { type: 'shop.taken', data: { twice: event.data.amount * 2 } }
}
`
const schema = (properties: object): string =>
  JSON.stringify({ title: 'OrderCreated', type: 'object', required: ['amount'], properties })
const AMOUNT = { amount: { type: 'number' } }

test('types, documents and the ingress follow the schemas of a project', async (t) => {
  const app = await project(t, { 'taker.ts': FUNCTION })
  await mkdir(join(app.dir, 'schemas'))
  await app.write('schemas/shop.order.json', schema(AMOUNT))
  assert.equal((await app.fn(['build'])).code, 0)
  const [runtime, types, docs] = await Promise.all([
    app.start(['--validate', 'ingress']),
    app.fn(['types']),
    app.fn(['docs']),
  ])
  assert.equal(types.code, 0)
  const written = await readFile(join(app.dir, 'functions/_events.ts'), 'utf8')
  assert.match(written, /'shop\.order': OrderCreated/)
  const { operations } = parse(docs.stdout) as Record<string, object>
  assert.deepEqual(Object.keys(operations ?? {}), ['events.taker.receive', 'events.b.taker.send'])

  const { port } = new URL(runtime.ingress)
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/s',
    'ce-type': 'shop.order',
    'content-type': 'application/json',
  }
  const post = (body: string): ReturnType<typeof send> =>
    send(Number(port), { path: '/events/b', headers, body })
  assert.equal((await post('{"amount":1}')).status, 202)
  const bad = await post('{"amount":"1"}')
  assert.deepEqual([bad.status, refusalOf(bad).code], [400, 'FN_EVENT_SCHEMA'])
  await runtime.end('SIGTERM')
})

test('old types are noticed, and a wrong use of an event is a wrong type', async (t) => {
  const app = await project(t, { 'taker.ts': FUNCTION })
  await mkdir(join(app.dir, 'schemas'))
  await app.write('schemas/shop.order.json', schema({ amonut: { type: 'number' } }))
  await app.fn(['types'])
  const found = await app.fn(['check'])
  assert.match(found.stdout, /types: functions\/taker\.ts.*'amount'/)
  await app.write('schemas/shop.order.json', schema(AMOUNT))
  const old = await app.fn(['types', '--check'])
  assert.equal(old.code, 2)
  assert.match(old.stderr, /_events\.ts is not what the schemas say: run `fn types`/)
  await app.write('schemas/shop.order.json', '{"type":"objekt"}')
  const broken = await app.fn(['types'])
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /schemas\/shop\.order\.json: type .*FN_SCHEMA_INVALID/s)
})

test('types are written before there is a function to use them', async (t) => {
  const app = await project(t, {})
  await mkdir(join(app.dir, 'schemas'))
  await app.write('schemas/shop.order.json', schema(AMOUNT))
  const { code, stderr } = await app.fn(['types'])
  assert.equal(code, 0, stderr)
  const written = await readFile(join(app.dir, 'functions/_events.ts'), 'utf8')
  assert.match(written, /'shop\.order': OrderCreated/)
})
