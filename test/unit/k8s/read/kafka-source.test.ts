import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { topologyOf } from '../../../../runtime/topology.ts'
import { annotation, compiled, ref, resourceText } from '../../../support/resources.ts'

function source(spec: string, more = ''): string {
  return resourceText('KafkaSource', 'k', spec, more)
}

const PLAIN = '  topics: [Orders_v1]\n  consumerGroup: my-group\n  sink: { uri: "http://a" }'

describe('a KafkaSource', () => {
  it('is a trigger on its topic, whose plain records are wrapped', () => {
    const { topology, errors, notes } = compiled(source(PLAIN))
    assert.deepEqual([errors, notes], [[], []])
    assert.deepEqual(topology, {
      brokers: [],
      flows: [],
      triggers: [
        {
          namespace: 'events',
          name: 'k',
          group: 'my-group',
          broker: 'kafka/Orders_v1',
          topic: 'Orders_v1',
          filters: [],
          ordering: 'partition',
          concurrency: 64,
          startFrom: 'latest',
          delivery: {
            retry: 10,
            backoffPolicy: 'exponential',
            backoffDelayMs: 300,
            jitter: 0,
            retryAfterMaxMs: 600_000,
            timeoutMs: 600_000,
            compat: 'knative-kafka',
            onDeadLetter: 'continue',
            exactlyOnce: false,
          },
          subscriber: { kind: 'http', url: 'http://a' },
          reply: { kind: 'none' },
          wrap: { namespace: 'events', name: 'k' },
          declaredIn: 'f.yaml:2',
        },
      ],
    })
  })

  it('starts and orders as it says', () => {
    const of = (spec: string, more = '') => compiled(source(`${PLAIN}\n${spec}`, more)).trigger('k')
    assert.equal(of('  initialOffset: earliest').startFrom, 'earliest')
    assert.equal(of('  ordering: unordered').ordering, 'none')
    const order = annotation('kafka.eventing.knative.dev/delivery.order', 'unordered')
    assert.equal(of('', order).ordering, 'none')
  })

  it('has a group of its own where it names none, the same each time', () => {
    const group = compiled(source('  topics: [a]\n  sink: { uri: "http://a" }')).trigger('k').group
    assert.equal(group, 'knative-kafka-source-events-k')
  })

  it('has a trigger for each of several topics, and one group for all of them', () => {
    const { topology, errors, notes } = compiled(source(PLAIN.replace('[Orders_v1]', '[a, b, a]')))
    assert.deepEqual([errors, notes], [[], []])
    const names = topology.triggers.map(({ name, topic, group, topicPrefix }) => {
      return { name, topic, group, topicPrefix }
    })
    assert.deepEqual(names, [
      { name: 'k.a', topic: 'a', group: 'my-group', topicPrefix: 'my-group.a' },
      { name: 'k.b', topic: 'b', group: 'my-group', topicPrefix: 'my-group.b' },
    ])
    // Joined with the functions they are checked once more.
    assert.deepEqual(topologyOf([], topology).triggers, topology.triggers)
  })

  it('has one topic where it names the same one twice', () => {
    const { name, topicPrefix } = compiled(source(PLAIN.replace('[Orders_v1]', '[a, a]'))).trigger(
      'k',
    )
    assert.deepEqual([name, topicPrefix], ['k', undefined])
  })

  it('calls its dead letters as Kafka can, whatever its group is called', () => {
    const spec = PLAIN.replace('my-group', '"shop/orders: all"')
    const { group, topicPrefix } = compiled(source(spec)).trigger('k')
    assert.deepEqual([group, topicPrefix], ['shop/orders: all', 'shop_orders__all'])
    assert.match(
      compiled(source(PLAIN.replace('my-group', 'g'.repeat(240)))).errors.join(),
      /^f\.yaml:8: spec\.topics: its dead letters would need the topic g+\.dlq\.state, which is longer/,
    )
  })

  it('shares its group and the names of its dead letters with no other source', () => {
    const errors = (more: string): string =>
      compiled(
        source(PLAIN.replace('[Orders_v1]', '[a, b]')) + source(more).replace('name: k', 'name: l'),
      ).errors.join()
    assert.match(
      errors(PLAIN.replace('[Orders_v1]', '[c, d]')),
      /would share the consumer group my-group with KafkaSource events\/k \(f\.yaml:2\); rename/,
    )
    assert.match(
      errors(PLAIN.replace('my-group', 'my-group.a')),
      /would share the dead-letter topic my-group\.a\.dlq with KafkaSource events\/k\.a \(f\.yaml:2\)/,
    )
  })

  it('may not send events on to any topic that it reads', () => {
    const { errors } = compiled(
      resourceText('Broker', 'b', '  {}') +
        source(`  topics: [a, knative-broker-events-b]\n  sink: ${ref('Broker', 'b')}`),
    )
    assert.match(errors.join(), /spec\.sink: is where the events come from/)
  })

  it("may read a broker's topic, and one topic may have several sources", () => {
    const { topology, errors } = compiled(
      resourceText('Broker', 'b', '  {}') +
        source(PLAIN.replace('Orders_v1', 'knative-broker-events-b')) +
        source(
          PLAIN.replace('Orders_v1', 'knative-broker-events-b').replace('my-', 'other-'),
        ).replace('name: k', 'name: l'),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(
      topology.triggers.map(({ broker }) => broker),
      ['events/b', 'events/b'],
    )
  })

  it('hands events on to a broker', () => {
    const { trigger } = compiled(source(`  topics: [a]\n  sink: ${ref('Broker', 'b')}`))
    assert.deepEqual(trigger('k').subscriber, { kind: 'pass' })
    assert.deepEqual(trigger('k').reply, { kind: 'topic', topic: 'knative-broker-events-b' })
  })

  it('says what it does not do, and what is wrong', () => {
    const { notes } = compiled(
      source(
        `${PLAIN}\n  bootstrapServers: [kafka:9092]\n  consumers: 3\n  net: { tls: { enable: true } }\n  ceOverrides: { extensions: { a: b } }`,
      ),
    )
    assert.deepEqual(
      notes.map((note) => note.split(': ').slice(0, 2).join(': ')),
      [
        'f.yaml:11: spec.bootstrapServers',
        'f.yaml:12: spec.consumers',
        'f.yaml:13: spec.net',
        'f.yaml:14: spec.ceOverrides',
      ],
    )
    assert.deepEqual(compiled(source('  topics: ["a b"]\n  sink: { uri: "http://a" }')).errors, [
      'f.yaml:8: spec.topics[0]: "a b" is no topic that Kafka can have',
    ])
    assert.deepEqual(
      compiled(source('  initialOffset: first\n  sink: { uri: "http://a" }')).errors,
      [
        'f.yaml:7: spec.topics: is missing',
        'f.yaml:8: spec.initialOffset: must be "latest" or "earliest", but is "first"',
      ],
    )
  })

  it('shares its name with no Trigger', () => {
    const trigger = resourceText('Trigger', 'k', '  broker: b\n  subscriber: { uri: "http://a" }')
    assert.match(
      compiled(trigger + source(PLAIN)).errors.join(),
      /would share the name events\/k with Trigger events\/k \(f\.yaml:2\); rename one of them$/,
    )
  })
})
