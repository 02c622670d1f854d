import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { Routes } from '../../runtime/routes.ts'
import { into, sequence } from '../support/sample-flow.ts'
import { sampleTrigger } from '../support/sample-manifest.ts'
import { eventNamed } from '../support/test-cursor.ts'

const A = sampleTrigger('a')
const B = sampleTrigger('b')

function topology(...triggers: TriggerManifest[]): Topology {
  const brokers = [
    { name: A.broker, topic: A.topic, partitions: 3, config: { 'retention.ms': '1' } },
  ]
  return { brokers, triggers, flows: [] }
}

describe('Routes', () => {
  it('keep the object of a trigger whose filters alone, or nothing, changed', () => {
    const before = new Routes(topology(A, B))
    const filters = [{ exact: { type: 'other' } }]
    const after = new Routes(
      topology({ ...A, filters, declaredIn: 'x.yaml:9' }, { ...B, concurrency: 1 }),
      before,
    )
    assert.equal(after.triggers[0], before.triggers[0])
    assert.notEqual(after.triggers[1], before.triggers[1])
    assert.deepEqual(before.match(A.topic, eventNamed('1')), [A, B])
    assert.deepEqual(after.match(A.topic, eventNamed('1')), [after.triggers[1]])
    assert.deepEqual(after.changeSince(before).changed, ['events/a', 'events/b'])
  })

  it('count the place where a trigger is declared for nothing', () => {
    const before = new Routes(topology(A))
    const after = new Routes(topology({ ...A, declaredIn: 'moved.yaml:1' }), before)
    assert.deepEqual(after.changeSince(before), {
      added: [],
      changed: [],
      removed: [],
      brokersAdded: [],
      brokersRemoved: [],
    })
  })

  it('take a trigger for changed when a flow is another that it leads into', () => {
    const flow = sequence('fulfil', [{ subscriber: 'price' }])
    const longer = sequence('fulfil', [{ subscriber: 'price' }, { subscriber: 'ship' }])
    const [source, other] = [into(flow), into(sequence('rest', [{ subscriber: 'x' }]), 'rest')]
    const rest = sequence('rest', [{ subscriber: 'x' }])
    const before = new Routes({ ...topology(source, other), flows: [flow, rest] })
    const after = new Routes(
      { ...topology({ ...source }, { ...other }), flows: [longer, rest] },
      before,
    )
    assert.notEqual(after.triggers[0], before.triggers[0])
    assert.equal(after.triggers[1], before.triggers[1])
    assert.deepEqual(after.changeSince(before).changed, ['events/orders'])
  })

  it('say how the topic of a broker is made', () => {
    const routes = new Routes(topology(A))
    assert.deepEqual(routes.topicOptions(A.topic), {
      partitions: 3,
      config: { 'retention.ms': '1' },
    })
    assert.deepEqual(routes.topicOptions('another'), {})
  })
})
