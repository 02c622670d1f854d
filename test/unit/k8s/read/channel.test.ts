import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compiled, ref, resourceText } from '../../../support/resources.ts'

const TOPIC = 'knative-messaging-kafka.events.c'
const OF_C = '  channel: { apiVersion: messaging.knative.dev/v1, kind: Channel, name: c }'

function subscription(spec: string): string {
  return resourceText('Subscription', 's', spec)
}

describe('a channel', () => {
  it('is a topic, with the address that Knative gives it as its broker', () => {
    const { topology, errors, notes } = compiled(
      resourceText(
        'KafkaChannel',
        'c',
        '  numPartitions: 6\n  replicationFactor: 3\n  retentionDuration: PT1H',
      ),
    )
    assert.deepEqual([errors, notes], [[], []])
    assert.deepEqual(topology.brokers, [
      {
        name: 'events/c-kn-channel',
        topic: TOPIC,
        partitions: 6,
        replicationFactor: 3,
        config: { 'retention.ms': '3600000' },
      },
    ])
  })

  it('is durable, whatever it stands on in Knative', () => {
    assert.deepEqual(compiled(resourceText('InMemoryChannel', 'c', '  {}')).notes, [
      'f.yaml:3: kind: is a topic of the log in Millrace, and durable',
    ])
    const template = (kind: string) =>
      compiled(
        resourceText(
          'Channel',
          'c',
          `  channelTemplate: { apiVersion: messaging.knative.dev/v1, kind: ${kind}, spec: { numPartitions: 2 } }`,
        ),
      )
    assert.deepEqual(template('KafkaChannel').notes, [])
    assert.equal(template('KafkaChannel').topology.brokers[0]?.partitions, 2)
    assert.match(template('InMemoryChannel').notes.join(), /no InMemoryChannel is made/)
  })
})

describe('a Subscription', () => {
  const channel = resourceText('Channel', 'c', '  delivery: { retry: 7 }')

  it("is a trigger on its channel's topic", () => {
    const { topology, errors, trigger } = compiled(
      channel +
        subscription(`${OF_C}\n  subscriber: { uri: "http://a" }\n  reply: ${ref('Broker', 'b')}`),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(
      topology.brokers.map(({ name }) => name),
      ['events/c-kn-channel', 'events/b'],
    )
    const { delivery, ...rest } = trigger('s')
    assert.equal(delivery.retry, 7)
    assert.deepEqual(rest, {
      namespace: 'events',
      name: 's',
      broker: 'events/c-kn-channel',
      topic: TOPIC,
      group: 'kafka.events.c.s',
      filters: [],
      ordering: 'key',
      concurrency: 64,
      startFrom: 'latest',
      subscriber: { kind: 'http', url: 'http://a' },
      reply: { kind: 'topic', topic: 'knative-broker-events-b' },
      declaredIn: 'f.yaml:10',
    })
  })

  it('has the group of its UID in a cluster', () => {
    const { trigger } = compiled(
      channel +
        subscription(`${OF_C}\n  subscriber: { uri: "http://a" }`).replace(
          '  name: s',
          '  name: s\n  uid: 12-ab',
        ),
    )
    assert.equal(trigger('s').group, 'kafka.events.c.12-ab')
  })

  it('has its own delivery in place of the one of its channel, and none without both', () => {
    const retry = (own: string, of = channel) =>
      compiled(of + subscription(`${OF_C}\n  subscriber: { uri: "http://a" }${own}`)).trigger('s')
        .delivery.retry
    assert.equal(retry(''), 7)
    assert.equal(retry('\n  delivery: { timeout: PT1S }'), 0)
    assert.equal(retry('', resourceText('Channel', 'c', '  {}')), 0)
  })

  it('may only hand events on', () => {
    const { trigger } = compiled(channel + subscription(`${OF_C}\n  reply: ${ref('Broker', 'b')}`))
    assert.deepEqual(trigger('s').subscriber, { kind: 'pass' })
    assert.deepEqual(trigger('s').reply, { kind: 'topic', topic: 'knative-broker-events-b' })
    assert.deepEqual(compiled(channel + subscription(OF_C)).errors, [
      'f.yaml:15: spec.subscriber: is missing; a Subscription has a subscriber, a reply, or both',
    ])
  })

  it('needs a channel that is there, of its namespace', () => {
    const to = '\n  subscriber: { uri: "http://a" }'
    assert.deepEqual(compiled(subscription(OF_C + to)).errors, [
      'f.yaml:8: spec.channel.name: there is no Channel events/c among the resources',
    ])
    assert.match(
      compiled(
        channel + subscription(OF_C.replace('kind: Channel', 'kind: Chanel') + to),
      ).errors.join(),
      /^f\.yaml:16: spec\.channel\.kind: must be Channel, KafkaChannel or InMemoryChannel/,
    )
    assert.match(
      compiled(
        channel + subscription(OF_C.replace('name: c', 'name: c, namespace: x') + to),
      ).errors.join(),
      /channel\.namespace: must be the namespace of the Subscription/,
    )
  })

  it('must not lead back into its channel', () => {
    const { errors } = compiled(
      channel +
        subscription(`${OF_C}\n  subscriber: { uri: "http://a" }\n  reply: ${ref('Channel', 'c')}`),
    )
    assert.match(errors.join(), /leads in a circle: .*Channel events\/c/)
  })
})
