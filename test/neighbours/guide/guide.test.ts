/**
 * The guide, unchanged, end to end on a real Kafka: its producer, consumer, transformer, filter and monitor
 * apps, its five YAML documents. Then the apps are replaced by functions of the same names, the YAML stays,
 * and the same events come out.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { kafkaForTests } from '../../support/kafka.ts'
import { project, type Project, type RunningRuntime } from '../../support/project.ts'
import { pythonForTests } from '../../support/python.ts'
import { freePort, startApp, type App, type AppOptions } from './apps.ts'
import { forwardProxy, type ForwardProxy } from './forward-proxy.ts'
import { FUNCTIONS } from './functions.ts'
import { GUIDE_YAML, guideFiles, writeGuide } from './seed.ts'

const kafka = kafkaForTests({ own: true })
const python = pythonForTests()
const guide = guideFiles()
const LONG_MS = 180_000

const INGRESS_HOST = 'kafka-broker-ingress.knative-eventing.svc.cluster.local'
const STEPS = [
  'order-validator',
  'inventory-checker',
  'pricing-calculator',
  'inventory-reserver',
  'order-finalizer',
  'premium-order-processor',
]

/** The guide shows these three apps without the triggers that bring them events. */
const MORE_TRIGGERS = ['event-transformer', 'event-filter', 'event-monitor']
  .map((name) => {
    const filters: Record<string, string> = {
      'event-transformer': '    attributes: { source: legacy-system }',
      'event-filter': '    attributes: { type: com.company.orders.updated }',
      'event-monitor': '    attributes: {}',
    }
    return `apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: { name: ${name}, namespace: events }
spec:
  broker: kafka-broker
  filter:
${filters[name]}
  subscriber:
    ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: ${name} }
`
  })
  .join('---\n')

interface LogLine {
  partition: number
  offset: number
  event: { type: string; source: string; subject?: string; data?: unknown }
}

interface Scene {
  t: TestContext
  p: Project
  producer: App
  proxy: ForwardProxy
  flags: string[]
}

const needed = {
  skip:
    kafka.needed.skip ||
    python.needed.skip ||
    (guide === undefined ? 'the guide is not beside this checkout, in ../shared/seed' : false),
}

describe('the guide', () => {
  it('runs unchanged, and the same with functions for its apps', needed, async (t) => {
    const scene = await sceneOf(t)
    const apps = await startApps(scene)
    const services = [...apps].map(([name, { url }]) => `events/${name}=${url}`).join(',')
    const withApps = await run(scene, ['--services', services], async () => {
      const printed = (name: string): string => apps.get(name)?.output() ?? ''
      await eventually(
        () => /^final .*\n/m.test(printed('order-finalizer')),
        'the sequence ends',
        LONG_MS,
      )
      for (const line of [
        /Processing order: O-1/,
        /Updating order status: O-1/,
        // The filter app passes it on by itself.
        /Type: com\.company\.orders\.updated/,
      ]) {
        await eventually(() => line.test(printed('order-processor')), `${line}`, LONG_MS)
      }
      await eventually(
        async () => /from legacy-system/.exec(printed('event-monitor')) ?? undefined,
        'the monitor sees all',
        LONG_MS,
      )
      return printed('order-finalizer')
    })

    for (const [name, source] of Object.entries(FUNCTIONS)) {
      await scene.p.write(join('functions', name), source)
    }
    assert.equal((await scene.p.fn(['build'])).code, 0)
    const withFunctions = await run(scene, [], async (runtime) => {
      for (const line of [
        /final \{.*\}/,
        /Processing order: O-1/,
        /Updating order status: O-1/,
        /passed on updated-1/,
        /Processing \S+ from legacy-system/,
      ]) {
        await eventually(async () => line.exec(runtime.output()) ?? undefined, `${line}`, LONG_MS)
      }
      return runtime.output()
    })
    assert.deepEqual(withFunctions.events, withApps.events)
    assert.deepEqual(withFunctions.final, withApps.final)
    assert.equal(withApps.events.length, 6)
  })
})

async function sceneOf(t: TestContext): Promise<Scene> {
  const p = await project(t, { '_none.ts': '' })
  await writeGuide(guide ?? new Map(), p.dir)
  await writeFile(join(p.dir, 'more-triggers.yaml'), MORE_TRIGGERS)
  const proxy = await forwardProxy(t)
  const producer = await startApp(t, await appOf(p, 'event_producer', proxy))
  const files = [...GUIDE_YAML, 'more-triggers.yaml'].flatMap((file) => ['-f', file])
  const flags = [
    ...files,
    '--brokers',
    kafka.cluster.bootstrap,
    '--replication-factor',
    '1',
    '--log-format',
    'pretty',
  ]
  return { t, p, producer, proxy, flags }
}

async function appOf(p: Project, folder: string, proxy: ForwardProxy): Promise<AppOptions> {
  return {
    python: await python.python(),
    dir: join(p.dir, folder),
    env: { http_proxy: proxy.url, no_proxy: '127.0.0.1' },
  }
}

/** By the name of the service that each of them is. */
async function startApps({ t, p, proxy }: Scene): Promise<Map<string, App>> {
  const metricsPort = await freePort()
  const guideApps = {
    'order-processor': await appOf(p, 'order_processor', proxy),
    'event-transformer': await appOf(p, 'event_transformer', proxy),
    'event-filter': await appOf(p, 'event_filter', proxy),
    'event-monitor': { ...(await appOf(p, 'event_monitor', proxy)), metricsPort },
  }
  const own = { python: await python.python(), dir: import.meta.dirname, module: 'step_app' }
  const stepApps = STEPS.map((name) => [name, { ...own, env: { STEP: name } }] as const)
  const started = await Promise.all(
    [...Object.entries(guideApps), ...stepApps].map(
      async ([name, options]) => [name, await startApp(t, options)] as const,
    ),
  )
  const apps = new Map(started)
  const processor = apps.get('order-processor')?.url ?? ''
  proxy.hosts.set('order-processor.events.svc.cluster.local', processor)
  return apps
}

/** One run of the flow: what came into the broker's topic, and what reached the end of the sequence. */
async function run(
  { p, producer, proxy, flags }: Scene,
  more: readonly string[],
  settled: (runtime: RunningRuntime) => Promise<string>,
): Promise<{ events: unknown[]; final: unknown }> {
  const before = new Set((await brokerEvents(p)).map(placeOf))
  const runtime = await p.start([...flags, ...more])
  proxy.hosts.set(INGRESS_HOST, runtime.ingress)
  const order = { order_id: 'O-1', customer_id: 'C-1', amount: 150 }
  assert.equal((await postJson(`${producer.url}/orders`, order)).status, 201)
  const payment = { payment_id: 'P-1', order_id: 'O-1', amount: 150 }
  assert.equal((await postJson(`${producer.url}/payments`, payment)).status, 200)
  for (const event of [LEGACY, UPDATED]) {
    const answer = await postJson(`${runtime.ingress}/events/kafka-broker`, event, true)
    assert.equal(answer.status, 202)
  }
  const said = await settled(runtime)
  const events = await eventually(
    async () => {
      const fresh = (await brokerEvents(p)).filter((line) => !before.has(placeOf(line)))
      return fresh.length >= 6 ? fresh : undefined
    },
    'all events are in the broker',
    LONG_MS,
  )
  assert.equal(await runtime.end('SIGTERM'), 0)
  const final: unknown = JSON.parse(/final (\{.*?\})/.exec(said)?.[1] ?? '')
  return { events: events.map(comparable).toSorted(), final }
}

const LEGACY = {
  specversion: '1.0',
  id: 'legacy-1',
  source: 'legacy-system',
  type: 'legacy.order',
  data: {
    orderId: 'L-1',
    customerId: 'C-2',
    orderItems: [{ productId: 'SKU-1', qty: 2, unitPrice: 5 }],
    orderTotal: 10,
  },
}

const UPDATED = {
  specversion: '1.0',
  id: 'updated-1',
  source: 'orders-service',
  type: 'com.company.orders.updated',
  subject: 'orders/O-1',
  priority: 'high',
  data: { order_id: 'O-1', amount: 500 },
}

async function brokerEvents(p: Project): Promise<LogLine[]> {
  const to = ['--broker', 'events/kafka-broker', '--brokers', kafka.cluster.bootstrap]
  const found = await p.fn(['events', '--json', ...to])
  // Before the first start there is no such topic.
  if (found.code !== 0) return []
  return found.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogLine)
}

function placeOf({ partition, offset }: LogLine): string {
  return `${partition}/${offset}`
}

/** Without what is different each time: ids, times, and what tells where an event came from. */
function comparable({ event: { type, source, subject, data } }: LogLine): string {
  return JSON.stringify({ type, source, subject, data: sorted(data) })
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]))
}

function postJson(url: string, body: unknown, isEvent = false): Promise<Response> {
  const type = isEvent ? 'application/cloudevents+json' : 'application/json'
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': type },
    body: JSON.stringify(body),
  })
}
