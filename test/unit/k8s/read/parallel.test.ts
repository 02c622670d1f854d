import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FlowStep } from '../../../../runtime/contract/topology.ts'
import { annotation, compiled, ref, resourceText } from '../../../support/resources.ts'

const CHANNEL = 'knative-messaging-kafka.events.p-kn-parallel'

const BRANCHES = `  branches:
    - filter: { uri: "http://filter" }
      subscriber: { uri: "http://one" }
      delivery: { retry: 4 }
      reply: { uri: "http://reply" }
    - subscriber: { ref: { apiVersion: v1, kind: Service, name: two } }
  reply: ${ref('Broker', 'b')}`

function parallel(spec: string, more = ''): string {
  return resourceText('Parallel', 'p', spec, more)
}

function sketch({ name, channel, subscriber, reply, delivery }: Omit<FlowStep, 'namespace'>) {
  return [name, channel, subscriber, reply, delivery.retry]
}

describe('a Parallel', () => {
  it('has a filter and a subscriber for each branch, as Knative names them', () => {
    const { errors, flow } = compiled(parallel(BRANCHES), { named: ['two'] })
    assert.deepEqual(errors, [])
    const { steps, ...head } = flow('events/p')
    assert.deepEqual(head, { name: 'events/p', kind: 'Parallel', entry: CHANNEL })
    const channel = (name: string) => ({ kind: 'channel', channel: `${CHANNEL}-${name}` })
    const http = (url: string) => ({ kind: 'http', url })
    assert.deepEqual(steps.map(sketch), [
      ['p-kn-parallel-filter-0', CHANNEL, http('http://filter'), channel('0'), 0],
      ['p-kn-parallel-0', `${CHANNEL}-0`, http('http://one'), http('http://reply'), 4],
      ['p-kn-parallel-filter-1', CHANNEL, { kind: 'pass' }, channel('1'), 0],
      [
        'p-kn-parallel-1',
        `${CHANNEL}-1`,
        { kind: 'function', name: 'two' },
        { kind: 'topic', topic: 'knative-broker-events-b' },
        0,
      ],
    ])
  })

  it('has topics between its steps where that is asked for', () => {
    const { topology, errors } = compiled(
      parallel(BRANCHES, annotation('millrace.dev/durable', 'each')),
    )
    assert.deepEqual([errors, topology.flows], [[], []])
    assert.deepEqual(
      topology.triggers.map(({ name, topic, group, reply }) => [name, topic, group, reply]),
      [
        [
          'p-kn-parallel-filter-0',
          CHANNEL,
          'kafka.events.p-kn-parallel.p-kn-parallel-filter-0',
          { kind: 'topic', topic: `${CHANNEL}-0` },
        ],
        [
          'p-kn-parallel-0',
          `${CHANNEL}-0`,
          'kafka.events.p-kn-parallel-0.p-kn-parallel-0',
          { kind: 'http', url: 'http://reply' },
        ],
        [
          'p-kn-parallel-filter-1',
          CHANNEL,
          'kafka.events.p-kn-parallel.p-kn-parallel-filter-1',
          { kind: 'topic', topic: `${CHANNEL}-1` },
        ],
        [
          'p-kn-parallel-1',
          `${CHANNEL}-1`,
          'kafka.events.p-kn-parallel-1.p-kn-parallel-1',
          { kind: 'topic', topic: 'knative-broker-events-b' },
        ],
      ],
    )
    assert.deepEqual(
      topology.brokers.map(({ topic }) => topic).filter((topic) => topic.startsWith(CHANNEL)),
      [CHANNEL, `${CHANNEL}-0`, `${CHANNEL}-1`],
    )
  })

  it('drops replies that nobody asked for', () => {
    const { flow } = compiled(parallel('  branches: [{ subscriber: { uri: "http://a" } }]'))
    assert.deepEqual(flow('events/p').steps[1]?.reply, { kind: 'none' })
  })

  it('says what is wrong with a branch', () => {
    const { errors } = compiled(
      parallel(`  branches:
    - filter: { uri: /a }
    - filter: {}
      subscriber: { uri: "http://a" }
      delivery: { deadLetterSink: {} }`),
    )
    assert.deepEqual(errors, ['f.yaml:9: spec.branches[0].subscriber: is missing'])
    const inner = compiled(
      parallel(`  branches:
    - filter: {}
      subscriber: { uri: "http://a" }
      delivery:
        deadLetterSink: {}
      reply: { uri: b }`),
    )
    assert.deepEqual(inner.errors, [
      'f.yaml:9: spec.branches[0].filter: needs a ref or a uri',
      'f.yaml:12: spec.branches[0].delivery.deadLetterSink: needs a ref or a uri',
      'f.yaml:13: spec.branches[0].reply.uri: must be absolute without a ref, for example http://orders.example.com/events, but is "b"',
    ])
  })
})
