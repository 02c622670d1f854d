import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event } from '../../../runtime/contract/event.ts'
import type { WorkReply } from '../../../runtime/contract/work.ts'
import { completeReply } from '../../../runtime/publish/complete-reply.ts'

const CAUSE: Event = {
  attributes: {
    specversion: '1.0',
    id: 'a1',
    source: 'orders-service',
    type: 'com.company.orders.created',
    partitionkey: 'customer-7',
  },
  data: undefined,
}
const ORIGIN = {
  cause: CAUSE,
  trigger: 'events/order-events',
  function: 'pricer',
  namespace: 'events',
}

function reply(attributes: WorkReply['attributes']): WorkReply {
  return { attributes, data: { kind: 'json', bytes: Buffer.from('{}') } }
}

describe('completeReply', () => {
  it('fills in what the handler left out', () => {
    const { attributes } = completeReply(reply({ type: 'x' }), 0, ORIGIN)
    assert.equal(attributes.specversion, '1.0')
    assert.equal(attributes.source, '/events/functions/pricer')
    assert.equal(attributes.datacontenttype, 'application/json')
    assert.equal(attributes['partitionkey'], 'customer-7')
    assert.equal(attributes['causationid'], 'a1')
    assert.equal(attributes['correlationid'], 'a1')
    assert.ok(!Number.isNaN(Date.parse(attributes.time as string)))
  })

  it('derives the id from the cause, so that a redelivery makes the same one', () => {
    const first = completeReply(reply({ type: 'x' }), 0, ORIGIN).attributes.id
    // printf '["orders-service","a1","pricer","events/order-events",0]' | sha256sum | cut -c1-32
    assert.equal(first, '499b7a0ff6c3e8965b0fa4177781192b')
    assert.equal(completeReply(reply({ type: 'y' }), 0, ORIGIN).attributes.id, first)
    assert.notEqual(completeReply(reply({ type: 'x' }), 1, ORIGIN).attributes.id, first)
  })

  it("gives a reply that repeats its cause's identity an id of its own", () => {
    const { attributes } = completeReply(
      reply({ type: 'x', id: 'a1', source: 'orders-service' }),
      0,
      ORIGIN,
    )
    assert.notEqual(attributes.id, 'a1')
    assert.equal(attributes.source, 'orders-service')
  })

  it('keeps what the handler set', () => {
    const { attributes } = completeReply(
      reply({
        type: 'x',
        id: 'mine',
        source: '/here',
        partitionkey: 'other',
        time: '2026-01-01T00:00:00Z',
      }),
      0,
      ORIGIN,
    )
    assert.deepEqual(
      [attributes.id, attributes.source, attributes['partitionkey'], attributes.time],
      ['mine', '/here', 'other', '2026-01-01T00:00:00Z'],
    )
  })

  it('passes the correlation of the cause on', () => {
    const cause = { ...CAUSE, attributes: { ...CAUSE.attributes, correlationid: 'c0' } }
    const { attributes } = completeReply(reply({ type: 'x' }), 0, { ...ORIGIN, cause })
    assert.equal(attributes['correlationid'], 'c0')
  })
})
