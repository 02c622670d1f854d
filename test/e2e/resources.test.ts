/** Knative resources beside functions: served from files, followed as they change. */
import assert from 'node:assert/strict'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { adminClient } from '../../runtime/admin/client.ts'
import { decodeRecord } from '../../runtime/codec/record.ts'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-post.ts'
import { startSubscriber } from '../support/http-subscriber.ts'
import { EVENT_HEADERS, send as sendAs } from '../support/ingress-fixture.ts'
import { project, type RunningRuntime } from '../support/project.ts'

/** Replies with what it is called by. */
const ECHO = `
  import type { CloudEvent, FunctionMetadata } from 'millrace'
  export const metadata = { triggers: [] } satisfies FunctionMetadata
  export function handler(event: CloudEvent<any>, { trigger }: { trigger: string }): any {
    return { type: 'echo.' + trigger }
  }
`

const BROKER = `
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata:
  name: orders
  namespace: shop
  annotations: { eventing.knative.dev/broker.class: MTChannelBasedBroker }
`

function trigger(name: string, type: string): string {
  return `${BROKER}---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: { name: ${name}, namespace: shop }
spec:
  broker: orders
  filter: { attributes: { type: ${type} } }
  subscriber: { ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: echo } }
`
}

const CHANNEL = `---
apiVersion: messaging.knative.dev/v1beta1
kind: KafkaChannel
metadata: { name: parts, namespace: shop }
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: { name: parts-to-echo, namespace: shop }
spec:
  channel: { apiVersion: messaging.knative.dev/v1beta1, kind: KafkaChannel, name: parts }
  subscriber: { ref: { apiVersion: v1, kind: Service, name: echo } }
`

async function send(ingress: string, type: string, id: string): Promise<number> {
  const body = JSON.stringify({ specversion: '1.0', id, source: '/e2e', type })
  return (await post(`${ingress}/shop/orders`, body)).status
}

async function repliesTo({ admin }: RunningRuntime, id: string): Promise<string[]> {
  const log = adminClient(admin)
  const [info] = await log.topics(['knative-broker-shop-orders'])
  const types: string[] = []
  for (let partition = 0; partition < (info?.partitions ?? 0); partition++) {
    const { records } = await log.read({ topic: 'knative-broker-shop-orders', partition }, 0)
    for (const { attributes } of records.map(decodeRecord)) {
      if (attributes['causationid'] === id) types.push(attributes.type)
    }
  }
  return types
}

describe('fn dev -f', () => {
  it('serves what a file says, and what it says after a change, without a restart', async (t) => {
    const p = await project(t, { 'echo.ts': ECHO })
    await p.write('triggers.yaml', trigger('first', 'one'))
    const runtime = await p.start(['-f', 'triggers.yaml'], 'dev')
    await eventually(() => runtime.output().includes('watching triggers.yaml'), 'it watches')
    assert.equal(await send(runtime.ingress, 'one', 'e1'), 202)
    await eventually(
      async () => (await repliesTo(runtime, 'e1')).includes('echo.shop/first'),
      'e1 is answered',
    )

    await p.write('triggers.yaml', 'kind: [')
    await eventually(() => runtime.output().includes('goes on as it was'), 'the fault is told')
    assert.match(runtime.output(), /triggers\.yaml:1/)
    const savedAt = performance.now()
    await p.write('new.yaml', trigger('second', 'two'))
    await rename(join(p.dir, 'new.yaml'), join(p.dir, 'triggers.yaml'))
    await eventually(
      () => runtime.output().includes('resources: added shop/second; removed shop/first'),
      'the change is told',
    )
    const tookMs = performance.now() - savedAt
    t.diagnostic(`a saved file is served after ${Math.round(tookMs)} ms`)
    // Two seconds are promised, of which a machine of its own takes a tenth; this is for a slow, shared one.
    assert.ok(tookMs < 10_000)
    await send(runtime.ingress, 'one', 'e2')
    await send(runtime.ingress, 'two', 'e3')
    await eventually(
      async () => (await repliesTo(runtime, 'e3')).includes('echo.shop/second'),
      'e3 is answered',
    )
    assert.deepEqual(await repliesTo(runtime, 'e2'), [])
    assert.equal(runtime.output().match(/^note: /gm)?.length, 1)
    assert.equal(runtime.output().match(/ready in/g)?.length, 1)

    const lag = await p.json<{ trigger: string }>(['lag'])
    assert.deepEqual([...new Set(lag.map((line) => line.trigger))], ['shop/second'])
    await p.write(
      'event.json',
      JSON.stringify({ specversion: '1.0', id: 'x', source: '/s', type: 'two' }),
    )
    const explained = await p.json<{ trigger: string; matches: boolean }>([
      'explain',
      '--event',
      'event.json',
    ])
    assert.deepEqual(explained, [{ trigger: 'shop/second', matches: true, failed: [] }])
    const graph = await p.fn(['graph'])
    assert.match(graph.stdout, /trigger shop\/second/, graph.stderr)
    assert.equal(await runtime.end('SIGTERM'), 0)
  })

  it('does not start on resources that are wrong', async (t) => {
    const p = await project(t, { 'echo.ts': ECHO })
    await p.write(
      'triggers.yaml',
      trigger('first', 'one').replace('broker: orders', 'brokr: orders'),
    )
    const { code, stderr } = await p.fn([
      'dev',
      '-f',
      'triggers.yaml',
      '--port',
      '0',
      '--metrics-port',
      '0',
    ])
    assert.equal(code, 1)
    assert.match(stderr, /triggers\.yaml:\d+/)
  })
})

describe('fn start -f', () => {
  it('serves a mounted ConfigMap and follows it, without a build', async (t) => {
    const p = await project(t, {})
    const mounted = join(p.dir, 'mounted')
    const fill = async (version: string, text: string): Promise<void> => {
      await mkdir(join(mounted, version), { recursive: true })
      await writeFile(join(mounted, version, 'triggers.yaml'), text)
      await symlink(version, join(mounted, '..data_tmp'))
      await rename(join(mounted, '..data_tmp'), join(mounted, '..data'))
    }
    const echo = await startSubscriber(t, (response) => response.writeHead(204).end())
    await fill('..v1', trigger('first', 'one') + CHANNEL)
    await symlink(join('..data', 'triggers.yaml'), join(mounted, 'triggers.yaml'))
    const runtime = await p.start(['-f', 'mounted', '--services', `shop/echo=${echo.url}`])
    assert.match(runtime.output(), /^no build in .*: no functions run/m)
    assert.equal(await send(runtime.ingress, 'one', 'e1'), 202)
    await eventually(() => echo.received.length === 1, 'the service has e1')
    const port = Number(new URL(runtime.ingress).port)
    const toChannel = (host: string): Promise<{ status: number }> =>
      sendAs(port, { path: '/', headers: { ...EVENT_HEADERS, host } })
    assert.equal((await toChannel('parts-kn-channel.shop.svc.cluster.local')).status, 202)
    assert.equal((await toChannel('other-kn-channel.shop.svc.cluster.local')).status, 404)
    await eventually(() => echo.received.length === 2, 'the service has what went to the channel')
    await fill('..v2', BROKER.replace('orders', 'bills') + CHANNEL)
    await eventually(
      () => runtime.output().includes('brokers added shop/bills; brokers removed shop/orders'),
      'the change is told',
    )
    assert.equal(await send(runtime.ingress, 'one', 'e2'), 404)
    assert.equal(await runtime.end('SIGTERM'), 0)
  })
})
