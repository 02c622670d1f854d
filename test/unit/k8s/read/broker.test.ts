import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { annotation, compiled, resourceText } from '../../../support/resources.ts'

const CLASS = 'eventing.knative.dev/broker.class'

function broker(spec: string, more = ''): string {
  return resourceText('Broker', 'b', spec, more)
}

function configMap(data: string): string {
  return `---
apiVersion: v1
kind: ConfigMap
metadata:
  name: c
  namespace: knative-eventing
data:
${data}
`
}

const CONFIG = '  config: { apiVersion: v1, kind: ConfigMap, name: c, namespace: knative-eventing }'

describe('a Broker', () => {
  it('is a topic, as its ConfigMap says', () => {
    const { topology, errors, notes } = compiled(
      configMap(`  bootstrap.servers: kafka:9092
  default.topic.partitions: "12"
  default.topic.replication.factor: "2"
  default.topic.config.retention.ms: "3600000"
  auth.secret.ref.name: s
  tuning: high`) + broker(CONFIG, annotation(CLASS, 'Kafka')),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(topology.brokers, [
      {
        name: 'events/b',
        topic: 'knative-broker-events-b',
        partitions: 12,
        replicationFactor: 2,
        config: { 'retention.ms': '3600000' },
      },
    ])
    assert.deepEqual(notes, [
      'f.yaml:8: data["bootstrap.servers"]: which Kafka Millrace uses is said by --brokers or MILLRACE_BROKERS; this is not read',
      'f.yaml:12: data["auth.secret.ref.name"]: credentials for Kafka are not read from a Secret; a Kafka that asks for them cannot be used yet',
      'f.yaml:13: data.tuning: is no setting of a broker; it is not used',
    ])
  })

  it('says what is wrong with its ConfigMap, in the ConfigMap', () => {
    const { errors } = compiled(
      configMap('  default.topic.partitions: ten\n  default.topic.partition: "1"\n  n: 5') +
        broker(CONFIG),
    )
    assert.deepEqual(errors, [
      'f.yaml:10: data.n: must be a text, but is 5; write it in quotes: "5"',
    ])
    assert.deepEqual(
      compiled(
        configMap('  default.topic.partitions: ten\n  default.topic.partition: "1"') +
          broker(CONFIG),
      ).errors,
      [
        'f.yaml:8: data["default.topic.partitions"]: must be a whole number from 1 to 10000, but is "ten"',
        'f.yaml:9: data["default.topic.partition"]: is not known; did you mean "default.topic.partitions"?',
      ],
    )
  })

  it('says which settings hold when its ConfigMap is not there', () => {
    const { notes, errors } = compiled(
      configMap('  {}').replace('name: c', 'name: cc') + broker(CONFIG),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(notes, [
      `f.yaml:16: spec.config.name: the ConfigMap knative-eventing/c is not among the files; did you mean "cc"?; the topic gets this deployment's partitions and replication factor`,
    ])
  })

  it('says what a class promises and Millrace does in another way, and refuses what is no log', () => {
    const notes = (value: string) => compiled(broker('  {}', annotation(CLASS, value))).notes.join()
    assert.equal(notes('Kafka'), '')
    assert.match(notes('KafkaNamespaced'), /^f\.yaml:8: .*this deployment serves all/)
    assert.match(notes('MTChannelBasedBroker'), /^f\.yaml:8: .*topic of the log/)
    assert.deepEqual(compiled(broker('  {}', annotation(CLASS, 'RabbitMQBroker'))).errors, [
      'f.yaml:8: metadata.annotations["eventing.knative.dev/broker.class"]: "RabbitMQBroker" is no class that Millrace stands in for; known are Kafka, KafkaNamespaced, MTChannelBasedBroker',
    ])
  })

  it('has the topic that it brings, or that Knative wrote down', () => {
    const external = broker(CONFIG, annotation('kafka.eventing.knative.dev/external.topic', 'mine'))
    assert.deepEqual(
      compiled(configMap('  default.topic.partitions: "3"') + external).topology.brokers,
      [{ name: 'events/b', topic: 'mine' }],
    )
    const status = `${broker('  {}')}status: { annotations: { default.topic: old } }\n`
    assert.equal(compiled(status).topology.brokers[0]?.topic, 'old')
  })

  it('needs no spec, and checks its delivery while nobody inherits it', () => {
    const bare = 'apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: { name: b }\n'
    assert.deepEqual(compiled(bare).topology.brokers, [
      { name: 'default/b', topic: 'knative-broker-default-b' },
    ])
    assert.deepEqual(compiled(broker('  delivery: { deadLetterSink: {} }')).errors, [
      'f.yaml:8: spec.delivery.deadLetterSink: needs a ref or a uri',
    ])
  })

  it("shares its topic with no other broker's", () => {
    const other = broker('  {}').replace('name: b', 'name: events-b').replace('events\n', 'x\n')
    const mine = broker(
      '  {}',
      annotation('kafka.eventing.knative.dev/external.topic', 'knative-broker-x-events-b'),
    )
    assert.deepEqual(compiled(other + mine).errors, [
      'f.yaml:13: metadata.name: would share the topic knative-broker-x-events-b with the broker x/events-b; rename one of them',
    ])
  })
})
