import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  brokerTopic,
  deadLetterTopic,
  membershipGroup,
  parseObjectName,
  quarantineTopic,
  triggerGroup,
} from '../../../runtime/broker/names.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

describe('names', () => {
  it("are those of Knative's Kafka broker", () => {
    assert.equal(
      brokerTopic({ namespace: 'events', name: 'kafka-broker' }),
      'knative-broker-events-kafka-broker',
    )
    assert.equal(
      triggerGroup({ namespace: 'events', name: 'order-events' }),
      'knative-trigger-events-order-events',
    )
  })

  it('of our own topics and groups derive from them', () => {
    assert.equal(membershipGroup({ namespace: 'events', name: 'shop' }), 'millrace-events-shop')
    assert.equal(deadLetterTopic('g'), 'g.dlq')
    assert.equal(quarantineTopic('t'), 't.quarantine')
  })

  it('that Kafka could not take are refused', () => {
    assert.throws(
      () => brokerTopic({ namespace: 'n', name: 'x'.repeat(250) }),
      (error: Error) => isMillraceError(error, 'FN_NAME_INVALID') && /249/.test(error.message),
    )
  })

  it('are read as namespace/name and nothing else', () => {
    assert.deepEqual(parseObjectName('events/b', 'broker'), { namespace: 'events', name: 'b' })
    for (const wrong of ['', 'b', '/b', 'a/', 'a/b/c', 'A/b', 'a/b_c', 'a/-b', 'a b/c']) {
      assert.throws(() => parseObjectName(wrong, 'broker'), /FN_NAME|broker "/, wrong)
    }
  })
})
