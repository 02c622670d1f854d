import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { project } from '../../support/project.ts'
import { send } from '../../support/ingress-fixture.ts'

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

test('a project with schemas: types, their check, documents, changes, and the ingress', async (t) => {
  const app = await project(t, { 'taker.ts': FUNCTION })
  await mkdir(join(app.dir, 'schemas'))
  await app.write('schemas/shop.order.json', schema(AMOUNT))

  assert.equal((await app.fn(['types', '--check'])).code, 2)
  assert.equal((await app.fn(['types'])).code, 0)
  assert.match(
    await readFile(join(app.dir, 'functions/_events.ts'), 'utf8'),
    /'shop\.order': OrderCreated/,
  )
  assert.equal((await app.fn(['types', '--check'])).code, 0)
  const clean = await app.fn(['check'])
  assert.deepEqual([clean.code, clean.stdout], [0, ''])

  const docs = parse((await app.fn(['docs'])).stdout) as Record<string, Record<string, unknown>>
  assert.deepEqual(Object.keys(docs['operations'] ?? {}), [
    'events.taker.receive',
    'events.b.taker.send',
  ])

  assert.equal((await app.fn(['build'])).code, 0)
  const runtime = await app.start(['--validate', 'ingress'])
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
  assert.deepEqual([bad.status, JSON.parse(bad.body).error.code], [400, 'FN_EVENT_SCHEMA'])
  await runtime.end('SIGTERM')

  await app.write('schemas/shop.order.json', schema({ amounts: { type: 'number' } }))
  assert.equal((await app.fn(['types', '--check'])).code, 2)
  const changed = await app.fn(['check'])
  assert.equal(changed.code, 2)
  assert.match(
    changed.stdout,
    /^advice: schemas\/shop\.order\.json: #\/properties\/amount: is gone/m,
  )
  assert.equal((await app.fn(['check', '--accept-schemas'])).code, 0)
  assert.equal((await app.fn(['check'])).stdout, '')
})

test('a wrong use of an event is a wrong type, and a broken schema stops the build', async (t) => {
  const app = await project(t, {
    'taker.ts': FUNCTION.replace('data.amount', 'data.amonut'),
  })
  await mkdir(join(app.dir, 'schemas'))
  await app.write('schemas/shop.order.json', schema(AMOUNT))
  await app.fn(['types'])
  assert.match((await app.fn(['check'])).stdout, /types: functions\/taker\.ts.*'amonut'/)
  await app.write('schemas/shop.order.json', '{"type":"objekt"}')
  for (const command of ['build', 'types', 'docs']) {
    const { code, stderr } = await app.fn([command])
    assert.equal(code, 1)
    assert.match(stderr, /schemas\/shop\.order\.json: type /)
  }
})
