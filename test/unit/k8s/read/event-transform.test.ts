import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compiled, ref, resourceText } from '../../../support/resources.ts'

const CHANNEL = 'knative-messaging-kafka.events.x-kn-transform'

function transform(more = '', name = 'x'): string {
  return resourceText(
    'EventTransform',
    name,
    `  jsonata:\n    expression: '{ "a": data.b }'\n${more}`,
  )
}

function trigger(name: string, more = ''): string {
  return resourceText(
    'Trigger',
    name,
    `  broker: b\n  subscriber: ${ref('EventTransform', 'x')}${more}`,
  )
}

const TRANSFORM = { kind: 'transform', name: 'events/x', expression: '{ "a": data.b }' }
const TO_BROKER = { kind: 'topic', topic: 'knative-broker-events-b' }

describe('an EventTransform', () => {
  it('is a subscriber, and what it makes is the reply', () => {
    const { errors, trigger: of } = compiled(transform() + trigger('t'))
    assert.deepEqual(errors, [])
    assert.deepEqual(of('t').subscriber, TRANSFORM)
    assert.equal(of('t').reply, undefined)
  })

  it('with a sink sends what it makes there, and the answer is the reply', () => {
    const {
      errors,
      trigger: of,
      flow,
    } = compiled(
      transform('  sink: { uri: "http://sink" }') +
        trigger('t', '\n  delivery: { retry: 3, deadLetterSink: { uri: "http://dls" } }'),
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(of('t').subscriber, { kind: 'pass' })
    assert.deepEqual(of('t').reply, { kind: 'channel', channel: CHANNEL })
    const { steps, ...head } = flow('events/x-kn-transform')
    assert.deepEqual(head, {
      name: 'events/x-kn-transform',
      kind: 'EventTransform',
      entry: CHANNEL,
    })
    const deadLetterSink = { kind: 'http', url: 'http://dls' }
    assert.deepEqual(
      steps.map(({ delivery, ...step }) => [step, delivery.retry]),
      [
        [
          {
            namespace: 'events',
            name: 'x-kn-transform',
            channel: CHANNEL,
            subscriber: TRANSFORM,
            reply: { kind: 'channel', channel: `${CHANNEL}-sink` },
            deadLetterSink,
          },
          3,
        ],
        [
          {
            namespace: 'events',
            name: 'x-kn-transform-sink',
            channel: `${CHANNEL}-sink`,
            subscriber: { kind: 'http', url: 'http://sink' },
            reply: TO_BROKER,
            deadLetterSink,
          },
          3,
        ],
      ],
    )
  })

  it('transforms the answer too, or drops it', () => {
    const replies = (reply: string) =>
      compiled(transform(`  sink: { uri: "http://sink" }\n  reply: ${reply}`) + trigger('t'))
        .flow('events/x-kn-transform')
        .steps.map(({ subscriber, reply: to }) => [subscriber.kind, to])
    assert.deepEqual(replies('{ discard: true }').at(-1), ['http', { kind: 'none' }])
    assert.deepEqual(replies('{ jsonata: { expression: data } }').slice(1), [
      ['http', { kind: 'channel', channel: `${CHANNEL}-reply` }],
      ['transform', TO_BROKER],
    ])
  })

  it('that hands on to a broker needs one step', () => {
    const { flow } = compiled(transform(`  sink: ${ref('Broker', 'other')}`) + trigger('t'))
    assert.deepEqual(
      flow('events/x-kn-transform').steps.map(({ reply }) => reply),
      [{ kind: 'topic', topic: 'knative-broker-events-other' }],
    )
  })

  it('is one flow for triggers that use it alike, and one each for others', () => {
    const { topology, trigger: of } = compiled(
      transform('  sink: { uri: "http://sink" }') +
        trigger('t') +
        trigger('u') +
        trigger('v', '\n  delivery: { retry: 1 }'),
    )
    assert.deepEqual(
      topology.flows.map(({ name }) => name),
      ['events/x-kn-transform', 'events/x-kn-transform-1'],
    )
    assert.deepEqual(of('t').reply, of('u').reply)
    assert.deepEqual(of('v').reply, { kind: 'channel', channel: `${CHANNEL}-1` })
  })

  it('stands in a Sequence as any step', () => {
    const sequence = (more = '') =>
      compiled(
        transform(more) +
          resourceText(
            'Sequence',
            's',
            `  steps: [${ref('EventTransform', 'x')}, { uri: "http://a" }]`,
          ),
      )
    const next = { kind: 'channel', channel: 'knative-messaging-kafka.events.s-kn-sequence-1' }
    assert.deepEqual(sequence().flow('events/s').steps[0]?.subscriber, TRANSFORM)
    assert.deepEqual(sequence().flow('events/s').steps[0]?.reply, next)
    const { flow, notes } = sequence('  sink: { uri: "http://sink" }')
    assert.deepEqual(notes, [])
    assert.deepEqual(flow('events/s').steps[0]?.reply, { kind: 'channel', channel: CHANNEL })
    assert.deepEqual(flow('events/x-kn-transform').steps.at(-1)?.reply, next)
  })

  it('whose expression is no JSONata is refused, with the place in the expression', () => {
    const broken = (spec: string) => compiled(resourceText('EventTransform', 'x', spec)).errors
    assert.deepEqual(broken('  jsonata:\n    expression: |\n      { "a": 1,\n        "b" 5 }\n'), [
      'f.yaml:9: spec.jsonata.expression: line 2, column 7: no JSONata: Expected ":", got 5',
    ])
    const reply = '  reply: { jsonata: { expression: "a.b[" } }'
    assert.match(
      broken(`  jsonata: { expression: data }\n  sink: { uri: "http://s" }\n${reply}`).join(),
      /^f\.yaml:\d+: spec\.reply\.jsonata\.expression: line 1, column 4: no JSONata: Expected "]"/,
    )
    const deep = `  jsonata: { expression: "${'('.repeat(20_000)}" }`
    assert.match(broken(deep).join(), /expression: is nested too deep to be read as JSONata$/)
  })

  it('must not send to itself, over others or at once', () => {
    const { errors } = compiled(
      transform(`  sink: ${ref('EventTransform', 'y')}`) +
        transform(`  sink: ${ref('EventTransform', 'x')}`, 'y') +
        trigger('t'),
    )
    assert.deepEqual(errors, [
      'f.yaml:10: spec.sink.ref.name: leads in a circle: EventTransform events/x → EventTransform events/y → EventTransform events/x',
    ])
  })

  it('that nobody uses is checked too, and makes no flow', () => {
    const { errors, topology } = compiled(transform(`  sink: ${ref('Channel', 'c')}`))
    assert.deepEqual(errors, [
      'f.yaml:10: spec.sink.ref.name: there is no Channel events/c among the resources',
    ])
    assert.deepEqual(topology.flows, [])
  })

  it('needs an expression, and says what it does not use', () => {
    const without = resourceText('EventTransform', 'x', '  jsonata: {}')
    assert.deepEqual(compiled(without).errors, ['f.yaml:8: spec.jsonata.expression: is missing'])
    const { notes } = compiled(transform('  reply: { discard: true }') + trigger('t'))
    assert.match(notes.join(), /^f\.yaml:10: spec\.reply: is not used: without a sink/)
  })
})
