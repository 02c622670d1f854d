import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { graphOf, type Graph } from '../../../../cli/graph/graph.ts'
import { graphAsMermaid } from '../../../../cli/graph/mermaid.ts'
import type { Topology } from '../../../../runtime/contract/topology.ts'
import { topologyOf } from '../../../../runtime/topology.ts'
import { durable, into, parallel, sequence } from '../../../support/sample-flow.ts'
import { sampleTrigger } from '../../../support/sample-manifest.ts'

const FLOW = sequence('s', [
  { subscriber: 'one' },
  { subscriber: { kind: 'http', url: 'http://two.test/' } },
])
const PRICER = {
  ...sampleTrigger('pricer'),
  filters: [{ exact: { type: 'a "b"' } }, { data: { amount: { gte: 5 } } }],
  deadLetterSink: { kind: 'function', name: 'sink' } as const,
}

const BROKER = { name: PRICER.broker, topic: PRICER.topic }

function topology(given: Partial<Topology>): Topology {
  return topologyOf([], { brokers: [BROKER], triggers: [], flows: [], ...given })
}

describe('fn graph', () => {
  const graph = graphOf(topology({ triggers: [into(FLOW), PRICER], flows: [FLOW] }))

  it('is a flowchart, whose labels cannot end early', () => {
    const lines = graphAsMermaid(graph)
    assert.equal(lines[0], 'flowchart LR')
    assert.ok(lines.includes('  n0[("broker events/kafka-broker")]'))
    assert.ok(
      lines.includes(
        '  n0 -->|"type is #quot;a \\#quot;b\\#quot;#quot; and data.amount is at least 5"| n4',
      ),
      lines.join('\n'),
    )
    const frame = lines.indexOf('  subgraph f1["sequence events/s"]')
    assert.equal(
      lines[frame + 1],
      '    n2(["channel knative-messaging-kafka.events.s-kn-sequence-0"])',
    )
    assert.ok(lines.slice(frame).includes('  end'))
  })

  it('says where dead letters go, and what is dropped', () => {
    const silent = sequence('q', [{ subscriber: 'one' }], { kind: 'none' })
    const { edges } = graphOf(topology({ triggers: [into(silent), PRICER], flows: [silent] }))
    const ways = edges
      .filter(({ kind, to }) => kind === 'deadLetters' || to.startsWith('nowhere'))
      .map(({ from, to, kind }) => `${from} ${kind} ${to}`)
    assert.deepEqual(ways, [
      'trigger:events/orders deadLetters topic:knative-trigger-events-orders.dlq',
      'trigger:events/pricer deadLetters function:sink',
      'step:events/q-kn-sequence-0 reply nowhere:nowhere',
    ])
  })

  it('names every end of an edge, once', () => {
    const ids = graph.nodes.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    for (const { from, to } of graph.edges) assert.ok(ids.includes(from) && ids.includes(to))
    assert.deepEqual(graph.edges[0], {
      from: 'broker:events/kafka-broker',
      to: 'trigger:events/orders',
      kind: 'events',
      filter: 'type is "in"',
    })
  })

  it('shows a flow with topics between its steps alike', () => {
    const branches = parallel('p', [{ filter: 'odd', subscriber: 'one' }, { subscriber: 'two' }])
    const flow = sequence('s', [{ subscriber: 'one' }], {
      kind: 'channel',
      channel: branches.entry,
    })
    const flows = [flow, branches]
    const each = graphOf(topology({ ...durable(into(flow), flows) }))
    const ends = graphOf(topology({ triggers: [into(flow)], flows }))
    const isOwn = ({ kind }: { kind: string }): boolean => kind !== 'deadLetters'
    assert.deepEqual(new Set(each.edges.filter(isOwn)), new Set(ends.edges.filter(isOwn)))
    const parts = ({ nodes }: Graph): unknown[] => nodes.filter((node) => node.flow !== undefined)
    assert.equal(parts(ends).length, 9)
    assert.deepEqual(new Set(parts(each)), new Set(parts(ends)))
  })
})
