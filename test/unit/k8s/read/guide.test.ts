/** Whole sets of files, as people have them: ours, and those of the guide where it is at hand. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { loadResources } from '../../../../k8s/read/load.ts'
import { findingLine } from '../../../../k8s/read/resource.ts'
import { destinationName, subscriberName } from '../../../../runtime/contract/subscriber.ts'
import type { Topology } from '../../../../runtime/contract/topology.ts'
import { projectFiles } from '../../../support/project-files.ts'

const ROOT = path.join(import.meta.dirname, '../../../..')
const SHOP = path.join(ROOT, 'test/support/knative-shop')
const GUIDE = path.join(ROOT, '../shared/seed')

async function load(dir: string, functions: string[]) {
  const { topology, findings } = await loadResources([dir], {
    functions: functions.map((name) => ({ name, namespace: '' })),
    services: new Map(),
  })
  const lines = findings.map((finding) => findingLine(finding).replace(`${dir}${path.sep}`, ''))
  return { topology, lines, errors: findings.filter(({ severity }) => severity === 'error') }
}

/** `trigger → subscriber → reply`, and so for the steps of flows. */
function ways({ triggers, flows }: Topology): string[] {
  return [...triggers, ...flows.flatMap(({ steps }) => steps)].map(
    ({ name, subscriber, reply }) =>
      `${name} → ${subscriberName(subscriber)}${reply === undefined ? '' : ` → ${destinationName(reply)}`}`,
  )
}

test('a shop with services, triggers and flows runs as it is', async () => {
  const { topology, lines, errors } = await load(SHOP, ['packer', 'inspector', 'is-damaged'])
  assert.deepEqual(errors, [])
  const channel = 'knative-messaging-kafka.books'
  assert.deepEqual(ways(topology), [
    `take-back → pass → ${channel}.take-back-kn-sequence-0`,
    'pack → packer',
    'pay → http://till.books.svc.cluster.local:8080/payments',
    `take-back-kn-sequence-0 → inspector → ${channel}.take-back-kn-sequence-1`,
    `take-back-kn-sequence-1 → pass → ${channel}.refund-kn-parallel`,
    `refund-kn-parallel-filter-0 → is-damaged → ${channel}.refund-kn-parallel-0`,
    'refund-kn-parallel-0 → http://insurance.example.com/claims → knative-broker-books-shop',
    `refund-kn-parallel-filter-1 → pass → ${channel}.refund-kn-parallel-1`,
    'refund-kn-parallel-1 → http://cashier.books.svc.cluster.local → knative-broker-books-shop',
  ])
  assert.deepEqual(topology.brokers, [
    {
      name: 'books/shop',
      topic: 'knative-broker-books-shop',
      partitions: 6,
      replicationFactor: 1,
    },
  ])
  assert.deepEqual(
    lines.map((line) => line.split(': ').slice(0, 2).join(': ')),
    [
      'broker.yaml:25: data["bootstrap.servers"]',
      'return.yaml:9: spec.channelTemplate.kind',
      'services.yaml:35: metadata.name',
      'triggers.yaml:41: spec.delivery.deadLetterSink',
    ],
  )
})

test("the guide's files run as they are", async (t) => {
  if (!existsSync(GUIDE)) {
    t.skip('the guide is not at ../shared/seed')
    return
  }
  const dir = await projectFiles(t, guideFiles())
  const functions = [
    'order-processor',
    'order-validator',
    'inventory-checker',
    'pricing-calculator',
  ]
  const { topology, errors } = await load(dir, functions)
  assert.deepEqual(errors, [])
  const channel = 'knative-messaging-kafka.events.order-processing-sequence-kn-sequence-'
  const step = 'order-processing-sequence-kn-sequence-'
  assert.deepEqual(ways(topology), [
    `process-orders → pass → ${channel}0`,
    'order-events → order-processor',
    'payment-events → order-processor',
    'high-value-orders → http://premium-order-processor.events.svc.cluster.local',
    `${step}0 → order-validator → ${channel}1`,
    `${step}1 → inventory-checker → ${channel}2`,
    `${step}2 → pricing-calculator → ${channel}3`,
    `${step}3 → http://inventory-reserver.events.svc.cluster.local → http://order-finalizer.events.svc.cluster.local`,
  ])
  assert.deepEqual(topology.brokers, [
    {
      name: 'events/kafka-broker',
      topic: 'knative-broker-events-kafka-broker',
      partitions: 10,
      replicationFactor: 3,
    },
  ])
  for (const { delivery } of topology.triggers) {
    assert.deepEqual([delivery.retry, delivery.backoffDelayMs], [5, 1_000])
  }
})

/** Its blocks of YAML, each under the name in its first line. */
function guideFiles(): Record<string, string> {
  const files = readdirSync(GUIDE).filter((name) => name.endsWith('.txt'))
  const text = files.map((name) => readFileSync(path.join(GUIDE, name), 'utf8')).join('\n')
  const blocks = [...text.matchAll(/```yaml\n(# (\S+\.yaml)\n[^]*?)```/g)]
  assert.equal(blocks.length, 5)
  return Object.fromEntries(blocks.map(([, content = '', name = '']) => [name, content]))
}
