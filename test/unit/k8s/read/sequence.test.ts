import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { annotation, compiled, ref, resourceText } from '../../../support/resources.ts'

const CHANNEL = 'knative-messaging-kafka.events.s-kn-sequence-'
const DURABLE = annotation('millrace.dev/durable', 'each')
const START = resourceText('Trigger', 't', `  broker: b\n  subscriber: ${ref('Sequence', 's')}`)

function sequence(spec: string, more = ''): string {
  return resourceText('Sequence', 's', spec, more)
}

const STEPS = `  steps:
    - ref: { apiVersion: v1, kind: Service, name: one }
    - uri: http://two.example.com
      delivery: { retry: 2, backoffPolicy: linear, backoffDelay: PT1S, deadLetterSink: { uri: "http://dls" } }
  reply: ${ref('Broker', 'b')}`

const OWNED = `  uid: 0a-1b
  ownerReferences:
    - { apiVersion: flows.knative.dev/v1, kind: Sequence, name: s, uid: 2c-3d, controller: true }
`
const SUBSCRIBED = `  channel: { apiVersion: messaging.knative.dev/v1beta1, kind: KafkaChannel, name: s-kn-sequence-0 }
  subscriber: { uri: "http://one.example.com" }`

describe('a Sequence', () => {
  it('is a flow in one process, whose steps reply into the next channel', () => {
    const { errors, trigger, flow } = compiled(sequence(STEPS) + START, { named: ['one'] })
    assert.deepEqual(errors, [])
    assert.deepEqual(trigger('t').subscriber, { kind: 'pass' })
    assert.deepEqual(trigger('t').reply, { kind: 'channel', channel: `${CHANNEL}0` })
    const { steps, ...head } = flow('events/s')
    assert.deepEqual(head, { name: 'events/s', kind: 'Sequence', entry: `${CHANNEL}0` })
    assert.deepEqual(
      steps.map(({ delivery, ...step }) => [step, delivery.retry, delivery.retryAfterMaxMs]),
      [
        [
          {
            namespace: 'events',
            name: 's-kn-sequence-0',
            channel: `${CHANNEL}0`,
            subscriber: { kind: 'function', name: 'one' },
            reply: { kind: 'channel', channel: `${CHANNEL}1` },
          },
          0,
          undefined,
        ],
        [
          {
            namespace: 'events',
            name: 's-kn-sequence-1',
            channel: `${CHANNEL}1`,
            subscriber: { kind: 'http', url: 'http://two.example.com' },
            reply: { kind: 'topic', topic: 'knative-broker-events-b' },
            deadLetterSink: { kind: 'http', url: 'http://dls' },
          },
          2,
          600_000,
        ],
      ],
    )
  })

  it('has topics between its steps where that is asked for, with the names of Knative', () => {
    const template =
      '  channelTemplate: { apiVersion: messaging.knative.dev/v1beta1, kind: KafkaChannel, spec: { numPartitions: 3, replicationFactor: 1 } }\n'
    const { errors, notes, trigger, topology } = compiled(
      sequence(template + STEPS, DURABLE) + START,
      { named: ['one'] },
    )
    assert.deepEqual([errors, notes, topology.flows], [[], [], []])
    assert.deepEqual(trigger('t').reply, { kind: 'topic', topic: `${CHANNEL}0` })
    const { delivery, ...first } = trigger('s-kn-sequence-0')
    assert.equal(delivery.retry, 0)
    assert.deepEqual(first, {
      namespace: 'events',
      name: 's-kn-sequence-0',
      broker: 'events/s-kn-sequence-0-kn-channel',
      topic: `${CHANNEL}0`,
      group: 'kafka.events.s-kn-sequence-0.s-kn-sequence-0',
      filters: [],
      ordering: 'key',
      concurrency: 64,
      startFrom: 'earliest',
      subscriber: { kind: 'function', name: 'one' },
      reply: { kind: 'topic', topic: `${CHANNEL}1` },
      step: { name: 's-kn-sequence-0', of: 'events/s-kn-sequence-0' },
      declaredIn: 'f.yaml:12',
    })
    assert.deepEqual(trigger('s-kn-sequence-1').reply, {
      kind: 'topic',
      topic: 'knative-broker-events-b',
    })
    assert.deepEqual(topology.brokers, [
      { name: 'events/b', topic: 'knative-broker-events-b' },
      {
        name: 'events/s-kn-sequence-0-kn-channel',
        topic: `${CHANNEL}0`,
        partitions: 3,
        replicationFactor: 1,
      },
      {
        name: 'events/s-kn-sequence-1-kn-channel',
        topic: `${CHANNEL}1`,
        partitions: 3,
        replicationFactor: 1,
      },
    ])
  })

  it('drops the last reply where it names no destination', () => {
    for (const more of ['', DURABLE]) {
      const { topology } = compiled(sequence('  steps: [{ uri: "http://a" }]', more))
      const [step] = [...topology.triggers, ...topology.flows.flatMap(({ steps }) => steps)]
      assert.deepEqual(step?.reply, { kind: 'none' })
    }
  })

  it('leads into another one, whichever way each of them runs', () => {
    const inner = (more: string) =>
      resourceText('Sequence', 'inner', '  steps: [{ uri: "http://a" }]', more)
    const outer = (more: string) =>
      sequence(`  steps: [{ uri: "http://b" }]\n  reply: ${ref('Sequence', 'inner')}`, more)
    const entry = 'knative-messaging-kafka.events.inner-kn-sequence-0'
    const reply = (own: string, other: string) => {
      const { topology, errors } = compiled(outer(own) + inner(other))
      assert.deepEqual(errors, [])
      return [...topology.triggers, ...topology.flows.flatMap(({ steps }) => steps)].find(
        ({ name }) => name === 's-kn-sequence-0',
      )?.reply
    }
    assert.deepEqual(reply('', ''), { kind: 'channel', channel: entry })
    assert.deepEqual(reply(DURABLE, ''), { kind: 'channel', channel: entry })
    assert.deepEqual(reply('', DURABLE), { kind: 'topic', topic: entry })
    assert.deepEqual(reply(DURABLE, DURABLE), { kind: 'topic', topic: entry })
  })

  it('says that steps after another flow get nothing', () => {
    const { notes, flow } = compiled(
      sequence(`  steps:\n    - ${ref('Sequence', 'x')}\n    - uri: http://a`) +
        resourceText('Sequence', 'x', '  steps: [{ uri: "http://a" }]'),
    )
    assert.deepEqual(flow('events/s').steps[0]?.subscriber, { kind: 'pass' })
    assert.deepEqual(notes, [
      'f.yaml:9: spec.steps[0].ref.kind: a Sequence takes events and replies with none, so the steps after it get nothing',
    ])
  })

  it('says that its channels are not made', () => {
    const template =
      '  channelTemplate: { apiVersion: messaging.knative.dev/v1, kind: InMemoryChannel }\n'
    const notes = (more: string) =>
      compiled(sequence(`${template}  steps: [{ uri: "http://a" }]`, more)).notes.join()
    assert.match(notes(''), /^f\.yaml:8: spec\.channelTemplate\.kind: no InMemoryChannel is made: /)
    assert.match(notes(DURABLE), /^f\.yaml:10: .*between the steps are topics of the log/)
  })

  it('refuses annotations of ours that mean nothing', () => {
    const errors = (more: string) =>
      compiled(sequence('  steps: [{ uri: "http://a" }]', more)).errors
    assert.deepEqual(errors(annotation('millrace.dev/durable', 'some')), [
      'f.yaml:8: metadata.annotations["millrace.dev/durable"]: must be "each" or "ends", but is "some"',
    ])
    assert.deepEqual(errors(annotation('millrace.dev/durabel', 'each')), [
      'f.yaml:8: metadata.annotations["millrace.dev/durabel"]: is not known; did you mean "millrace.dev/durable"?',
    ])
  })

  it('refuses to lead back into itself', () => {
    const back = (kind: string) => ref(kind, kind === 'Sequence' ? 's' : 'p')
    assert.deepEqual(
      compiled(sequence(`  steps: [{ uri: "http://a" }]\n  reply: ${back('Sequence')}`)).errors,
      ['f.yaml:9: spec.reply.ref.name: leads in a circle: Sequence events/s → Sequence events/s'],
    )
    const parallel = resourceText(
      'Parallel',
      'p',
      `  branches: [{ subscriber: ${back('Sequence')} }]`,
    )
    const { errors } = compiled(sequence(`  steps: [${back('Parallel')}]`) + parallel)
    assert.deepEqual(errors, [
      'f.yaml:8: spec.steps[0].ref.name: leads in a circle: Sequence events/s → Parallel events/p → Sequence events/s',
    ])
    const dead = sequence(
      `  steps: [{ uri: "http://a", delivery: { deadLetterSink: ${back('Sequence')} } }]`,
    )
    assert.match(compiled(dead).errors.join(), /deadLetterSink\.ref\.name: leads in a circle/)
  })

  it('stands for the Subscriptions that Knative made of it, with a topic between steps', () => {
    const made = `${resourceText('KafkaChannel', 's-kn-sequence-0', '  numPartitions: 3', OWNED)}
${resourceText('Subscription', 's-kn-sequence-0', SUBSCRIBED, OWNED)}`
    const groups = (text: string): unknown[] => {
      const { errors, topology } = compiled(text, { named: ['one'] })
      assert.deepEqual(errors, [])
      return topology.triggers.map(({ name, group }) => [name, group])
    }
    assert.deepEqual(groups(made + sequence(STEPS, DURABLE)), [
      ['s-kn-sequence-0', 'kafka.events.s-kn-sequence-0.s-kn-sequence-0'],
      ['s-kn-sequence-1', 'kafka.events.s-kn-sequence-1.s-kn-sequence-1'],
    ])
    // In one process it does not read the channels, so the Subscription hands on what they hold.
    const left = [['s-kn-sequence-0', 'kafka.events.s-kn-sequence-0.0a-1b']]
    assert.deepEqual(groups(made + sequence(STEPS)), left)
    assert.deepEqual(groups(made), left)
    const clash = made.replaceAll('flows.knative.dev/v1', 'apps/v1') + sequence(STEPS, DURABLE)
    assert.match(compiled(clash, { named: ['one'] }).errors.join(), /would share the name events/)
  })

  it('says what is wrong with its steps', () => {
    const { errors } = compiled(
      sequence('  steps:\n    - {}\n    - ref: { kind: Service }\n  replies: {}'),
    )
    assert.deepEqual(errors, [
      'f.yaml:10: spec.steps[1].ref.name: is missing',
      'f.yaml:11: spec.replies: is not known; did you mean "reply"?',
    ])
    assert.deepEqual(compiled(sequence('  steps: []')).errors, [
      'f.yaml:8: spec.steps: needs at least 1 entry',
    ])
    assert.deepEqual(compiled(sequence('  steps: [{}]')).errors, [
      'f.yaml:8: spec.steps[0]: needs a ref or a uri',
    ])
  })
})
