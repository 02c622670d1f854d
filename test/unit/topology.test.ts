import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import { EMPTY_TOPOLOGY } from '../../runtime/contract/topology.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { sampleManifest, sampleTrigger } from '../support/sample-manifest.ts'

const OWN = sampleTrigger('orders')

function joined(given: Partial<TriggerManifest>) {
  const other = { ...OWN, declaredIn: 'f.yaml:2', ...given }
  const functions = sampleManifest('orders', '1').functions.map((one) => ({
    ...one,
    file: 'functions/orders.ts',
    triggers: [OWN],
  }))
  return topologyOf(functions, { ...EMPTY_TOPOLOGY, triggers: [other] })
}

describe('a trigger that a function declares and YAML too', () => {
  it('is one where both say the same, with the delivery of the function', () => {
    const { triggers } = joined({ delivery: { ...OWN.delivery, retry: 99 } })
    assert.deepEqual(
      triggers.map(({ name, delivery }) => [name, delivery.retry]),
      [['orders', OWN.delivery.retry]],
    )
  })

  it('is a clash where they differ, also in what metadata cannot say', () => {
    const message =
      /^f\.yaml:2: trigger events\/orders stands in functions\/orders\.ts too, and the two differ in filters and deadLetterSink; take it out/
    assert.throws(
      () =>
        joined({
          filters: [{ exact: { type: 'other' } }],
          deadLetterSink: { kind: 'topic', topic: 'letters' },
        }),
      { code: 'FN_NAME_CLASH', message },
    )
    assert.throws(() => joined({ reply: { kind: 'none' } }), /differ in reply;/)
    assert.throws(
      () => joined({ topic: 'x', subscriber: { kind: 'http', url: 'http://a' } }),
      /differ in broker and subscriber;/,
    )
  })
})
