import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { graphOf } from '../../../../cli/graph/graph.ts'
import { graphAsText } from '../../../../cli/graph/text.ts'
import { loadResources } from '../../../../k8s/read/load.ts'
import type { TriggerManifest } from '../../../../runtime/contract/manifest.ts'
import type { FlowManifest, Topology } from '../../../../runtime/contract/topology.ts'
import { topologyOf } from '../../../../runtime/topology.ts'
import { channelOf, durable, into, parallel, sequence } from '../../../support/sample-flow.ts'
import { sampleTrigger } from '../../../support/sample-manifest.ts'

const SHOP = path.join(import.meta.dirname, '../../../support/knative-shop')
const ORDERS = sampleTrigger('orders')
const BROKER = { name: ORDERS.broker, topic: ORDERS.topic }
const LETTERS = 'topic knative-trigger-events-orders.dlq'

function textOf(given: Partial<Topology>): string[] {
  return graphAsText(
    graphOf(topologyOf([], { brokers: [BROKER], triggers: [], flows: [], ...given })),
  )
}

describe('the text of fn graph', () => {
  it('shows a flow where its events come to it, and what came before by reference', async () => {
    const { topology } = await loadResources([SHOP], {
      functions: [{ name: 'packer', namespace: '' }],
      services: new Map(),
    })
    assert.deepEqual(graphAsText(graphOf(topology)), [
      'broker books/shop',
      '├─ trigger books/take-back  where type is "com.example.books.returned"',
      '│  ├─ → sequence books/take-back',
      '│  │  ├─ step books/take-back-kn-sequence-0 → http://inspector.books.svc.cluster.local',
      '│  │  └─ step books/take-back-kn-sequence-1 → parallel books/refund',
      '│  │     ├─ branch books/refund-kn-parallel-0',
      '│  │     │  ├─ filter books/refund-kn-parallel-filter-0 → http://is-damaged.books.svc.cluster.local',
      '│  │     │  ├─ → http://insurance.example.com/claims',
      '│  │     │  └─ replies → ↺ broker books/shop',
      '│  │     └─ branch books/refund-kn-parallel-1',
      '│  │        ├─ → http://cashier.books.svc.cluster.local',
      '│  │        └─ replies → ↺ broker books/shop',
      '│  └─ dead letters → topic knative-trigger-books-take-back.dlq',
      '├─ trigger books/pack  where type is "com.example.books.sold"',
      '│  ├─ → function packer',
      '│  ├─ replies → ↺ broker books/shop',
      '│  └─ dead letters → topic knative-trigger-books-pack.dlq',
      '└─ trigger books/pay  where type begins with "com.example.books.paid" and not (source is "/test")',
      '   ├─ → http://till.books.svc.cluster.local:8080/payments',
      '   ├─ replies → ↺ broker books/shop',
      '   └─ dead letters → ↺ broker books/shop',
    ])
  })

  it('refers to a flow that several lead to, and names one that nothing leads to', () => {
    const flow = sequence('s', [{ subscriber: 'one' }], { kind: 'none' })
    const sink = { kind: 'channel', channel: flow.entry } as const
    const lonely = parallel('p', [{ filter: 'odd', subscriber: 'two' }], sink)
    const triggers = [into(flow), { ...sampleTrigger('refunds'), deadLetterSink: sink }]
    assert.deepEqual(textOf({ triggers, flows: [flow, lonely] }), [
      'broker events/kafka-broker',
      '├─ trigger events/orders  where type is "in"',
      '│  ├─ → sequence events/s',
      '│  │  └─ step events/s-kn-sequence-0 → function one',
      '│  │     └─ replies → nowhere',
      `│  └─ dead letters → ${LETTERS}`,
      '└─ trigger events/refunds',
      '   ├─ → function refunds',
      '   ├─ replies → ↺ broker events/kafka-broker',
      '   └─ dead letters → ↺ sequence events/s',
      'parallel events/p  to which nothing leads',
      '└─ branch events/p-kn-parallel-0',
      '   ├─ filter events/p-kn-parallel-filter-0 → function odd',
      '   ├─ → function two',
      '   └─ replies → ↺ sequence events/s',
    ])
  })

  it('ends where replies run in a circle over topics', () => {
    const flow = sequence('s', [{ subscriber: 'one' }, { subscriber: 'two' }], {
      kind: 'channel',
      channel: channelOf('s-kn-sequence-0'),
    })
    const own = (name: string): string => `dead letters → topic kafka.events.${name}.dlq`
    assert.deepEqual(textOf(durable(into(flow), [flow])), [
      'broker events/kafka-broker',
      '└─ trigger events/orders  where type is "in"',
      '   ├─ → sequence events/s',
      '   │  ├─ step events/s-kn-sequence-0 → function one',
      `   │  │  └─ ${own('s-kn-sequence-0')}`,
      '   │  └─ step events/s-kn-sequence-1 → function two',
      '   │     ├─ replies → ↺ sequence events/s',
      `   │     └─ ${own('s-kn-sequence-1')}`,
      `   └─ dead letters → ${LETTERS}`,
    ])
  })

  it('gives every line of an expression on one line, and no control characters', () => {
    const cesql = "type = 'a'\n  AND source = '\u001b[31m'"
    assert.deepEqual(textOf({ triggers: [{ ...ORDERS, filters: [{ cesql }] }] }).slice(1, 2), [
      "└─ trigger events/orders  where type = 'a'   AND source = ' [31m'",
    ])
  })

  it('says so of a broker that nobody reads', () => {
    assert.deepEqual(textOf({}), ['broker events/kafka-broker', '└─ nobody reads it'])
  })

  it('ends for every tangle of flows, and shows each reader once', () => {
    fc.assert(
      fc.property(tangles, ({ triggers, flows }) => {
        const lines = textOf({ triggers, flows })
        for (const { name } of [...triggers, ...flows.flatMap(({ steps }) => steps)]) {
          const shown = new RegExp(`(trigger|step|filter|branch) events/${name}( |$)`)
          assert.equal(lines.filter((line) => shown.test(line)).length, 1, name)
        }
      }),
    )
  })
})

const channels = fc.nat({ max: 5 }).map((n) => channelOf(`c${n}`))
const steps = fc.array(fc.tuple(channels, channels), { minLength: 1, maxLength: 4 })
const kinds = fc.constantFrom('Sequence' as const, 'Parallel' as const)
const tangles = fc
  .record({
    entries: fc.array(channels, { maxLength: 3 }),
    parts: fc.array(fc.tuple(kinds, steps), { maxLength: 4 }),
  })
  .map(({ entries, parts }): { triggers: TriggerManifest[]; flows: FlowManifest[] } => {
    const flows = parts.map(([kind, ways], at) => {
      const {
        name,
        entry,
        steps: own,
      } = sequence(
        `f${at}`,
        ways.map(() => ({ subscriber: 'x' })),
      )
      return {
        name,
        kind,
        entry: ways[0]?.[0] ?? entry,
        steps: own.map((step, n) => {
          const [channel = '', to = ''] = ways[n] ?? []
          return { ...step, channel, reply: { kind: 'channel', channel: to } as const }
        }),
      }
    })
    const triggers = entries.map((channel, at) => ({
      ...into(sequence('unused', []), `t${at}`),
      reply: { kind: 'channel', channel } as const,
    }))
    return { triggers, flows }
  })
