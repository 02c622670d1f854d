import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AttributeValue, Event } from '../../../runtime/contract/event.ts'
import type { WorkReply } from '../../../runtime/contract/work.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
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
  it('lets a reply that keeps its identity repeat its cause’s, and say itself where it comes from', () => {
    const { id, source } = CAUSE.attributes
    const kept = { ...ORIGIN, keepsIdentity: true }
    const given = { id, source, type: 'x', causationid: 'own' }
    const { attributes } = completeReply(reply({ ...given }), 0, kept)
    assert.deepEqual([attributes.id, attributes['causationid']], [id, 'own'])
    assert.equal(attributes.time, undefined)
    assert.equal(attributes['correlationid'], id)
    assert.equal(attributes['millracehops'], 1)
    const derived = completeReply(reply({ ...given }), 0, ORIGIN).attributes
    assert.notEqual(derived.id, id)
    assert.equal(derived['causationid'], id)
  })

  it('X2 goes on with the trace in which the chain began, unless the reply has its own', () => {
    const began = { traceparent: '00-aa-bb-01', tracestate: 'x=1' }
    const cause = { ...CAUSE, attributes: { ...CAUSE.attributes, ...began } }
    const traced = (attributes: WorkReply['attributes']): unknown[] => {
      const completed = completeReply(reply(attributes), 0, { ...ORIGIN, cause }).attributes
      return [completed['traceparent'], completed['tracestate']]
    }
    assert.deepEqual(traced({ type: 'x' }), ['00-aa-bb-01', 'x=1'])
    assert.deepEqual(traced({ type: 'x', traceparent: '00-cc-dd-01' }), ['00-cc-dd-01', undefined])
    const untraced = completeReply(reply({ type: 'x' }), 0, ORIGIN).attributes
    assert.ok(!('traceparent' in untraced) && !('tracestate' in untraced))
  })

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

  const HOPS: Array<[cause: AttributeValue | undefined, reply: number]> = [
    [undefined, 1],
    [1, 2],
    ['41', 42],
    [254, 255],
    ['many', 1],
    ['1.5', 1],
    ['', 1],
    [true, 1],
    [-7, 1],
    ['-7', 1],
  ]
  for (const [millracehops, hops] of HOPS) {
    it(`counts ${hops} in a row after a cause with ${JSON.stringify(millracehops)}`, () => {
      const cause = { ...CAUSE, attributes: { ...CAUSE.attributes, millracehops } }
      const { attributes } = completeReply(reply({ type: 'x', millracehops: 9 }), 0, {
        ...ORIGIN,
        cause,
      })
      assert.equal(attributes['millracehops'], hops)
    })
  }

  for (const millracehops of [255, '255', 2 ** 31 - 1, '9'.repeat(400)]) {
    it(`refuses a reply to a cause with ${String(millracehops).slice(0, 12)} before it`, () => {
      const cause = { ...CAUSE, attributes: { ...CAUSE.attributes, millracehops } }
      assert.throws(
        () => completeReply(reply({ type: 'x', millracehops: 0 }), 0, { ...ORIGIN, cause }),
        (error) => {
          assert.ok(isMillraceError(error, 'FN_DELIVERY_HOP_LIMIT'))
          assert.match(error.message, /reply 0 of type x .* since the event a1/)
          return true
        },
      )
    })
  }
})
