import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { graphOf } from '../../../../cli/graph/graph.ts'
import { graphAsMermaid } from '../../../../cli/graph/mermaid.ts'
import { graphAsText } from '../../../../cli/graph/text.ts'
import type { Topology } from '../../../../runtime/contract/topology.ts'
import { topologyOf } from '../../../../runtime/topology.ts'
import { durable, into, sequence } from '../../../support/sample-flow.ts'
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

  it('says in a tree who reads what, and where the answers go', () => {
    assert.deepEqual(graphAsText(graph), [
      'broker events/kafka-broker',
      '├─ trigger events/orders  where type is "in"',
      '│  └─ replies → channel knative-messaging-kafka.events.s-kn-sequence-0',
      '└─ trigger events/pricer  where type is "a \\"b\\"" and data.amount is at least 5',
      '   ├─ → function pricer',
      '   ├─ replies → broker events/kafka-broker',
      '   └─ dead letters → function sink',
      'channel knative-messaging-kafka.events.s-kn-sequence-0  of events/s',
      '└─ step events/s-kn-sequence-0',
      '   ├─ → function one',
      '   └─ replies → channel knative-messaging-kafka.events.s-kn-sequence-1',
      'channel knative-messaging-kafka.events.s-kn-sequence-1  of events/s',
      '└─ step events/s-kn-sequence-1',
      '   ├─ → http://two.test/',
      '   └─ replies → broker events/kafka-broker',
    ])
  })

  it('is a flowchart, whose labels cannot end early', () => {
    const lines = graphAsMermaid(graph)
    assert.equal(lines[0], 'flowchart LR')
    assert.ok(lines.includes('  n0[("broker events/kafka-broker")]'))
    assert.ok(
      lines.includes(
        '  n0 -->|"type is #quot;a \\#quot;b\\#quot;#quot; and data.amount is at least 5"| n3',
      ),
      lines.join('\n'),
    )
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
    const each = graphOf(topology({ ...durable(into(FLOW), [FLOW]) }))
    const edges = ({ from, to }: { from: string; to: string }): string => `${from} ${to}`
    const ends = graphOf(topology({ triggers: [into(FLOW)], flows: [FLOW] }))
    assert.deepEqual(new Set(each.edges.map(edges)), new Set(ends.edges.map(edges)))
  })
})
