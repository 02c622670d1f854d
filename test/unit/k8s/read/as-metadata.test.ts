import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asMetadata } from '../../../../k8s/read/as-metadata.ts'
import { annotation, compiled, ref, resourceText } from '../../../support/resources.ts'

function trigger(name: string, more = '', metadata = ''): string {
  const spec = `  broker: b\n  subscriber: ${ref('Service', 'f')}\n  filter: { attributes: { type: ${name} } }${more}`
  return resourceText('Trigger', name, spec, metadata)
}

function metadataOf(text: string) {
  const { topology, errors } = compiled(text, { named: ['f'] })
  assert.deepEqual(errors, [])
  const { functions, leftovers } = asMetadata(topology.triggers)
  return {
    functions: functions.map(({ function: name, metadata }) => ({ name, metadata })),
    leftovers: leftovers.map(({ trigger: { name }, why }) => `${name}: ${why}`),
  }
}

const DELIVERY = { retry: 10, backoffDelay: 'PT0.2S', timeout: 'PT10M' }

describe('asMetadata', () => {
  it("says of a function's triggers what differs from its defaults", () => {
    assert.deepEqual(metadataOf(trigger('f') + trigger('t')), {
      functions: [
        {
          name: 'f',
          metadata: {
            triggers: [
              { name: 'f', broker: 'events/b', filters: [{ exact: { type: 'f' } }] },
              { name: 't', broker: 'events/b', filters: [{ exact: { type: 't' } }] },
            ],
            delivery: DELIVERY,
          },
        },
      ],
      leftovers: [],
    })
  })

  it('leaves out a name that is the function’s own, and says another order', () => {
    const order = annotation('kafka.eventing.knative.dev/delivery.order', 'unordered')
    const delivery =
      '\n  delivery: { retry: 5, backoffDelay: PT1S, timeout: PT30S, retryAfterMax: PT1M, backoffPolicy: linear }'
    assert.deepEqual(metadataOf(trigger('f', delivery, order)).functions[0]?.metadata, {
      triggers: [{ broker: 'events/b', filters: [{ exact: { type: 'f' } }] }],
      ordering: 'none',
      delivery: { backoffPolicy: 'linear', retryAfterMax: 'PT1M' },
    })
  })

  it('leaves in YAML what metadata cannot say', () => {
    const sink = '\n  delivery: { deadLetterSink: { uri: "http://a" } }'
    const status = (key: string) => `status: { annotations: { ${key}: old } }\n`
    const other = trigger('e').replace(
      'broker: b',
      'brokerRef: { kind: Broker, name: b, namespace: x }',
    )
    const { leftovers, functions } = metadataOf(
      trigger('f') +
        trigger('a', sink) +
        trigger('c') +
        status('group.id') +
        trigger('d') +
        status('default.topic') +
        other +
        trigger('g', '\n  delivery: { retry: 1 }'),
    )
    assert.equal(functions[0]?.metadata.triggers?.length, 1)
    assert.deepEqual(leftovers, [
      'a: it has a deadLetterSink',
      'c: its consumer group is old',
      'd: its topic is old',
      'e: its broker is of another namespace',
      'g: its delivery is not that of f, and a function says it once for all of its triggers',
    ])
  })
})
