import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as highValue from '../../../functions/high-value-filter.ts'
import * as premium from '../../../functions/premium-order-processor.ts'
import type { Order } from '../../../functions/_order.ts'
import { contextOf, eventOf } from '../../support/handler-call.ts'

const ORDER: Order = { order_id: 'a', items: [], amount: 150 }

test('a high-value order is handed on as it is', () => {
  const event = eventOf('com.company.orders.created', ORDER)
  assert.deepEqual(highValue.handler(event), {
    type: 'com.company.orders.highvalue',
    subject: 'orders/a',
    data: ORDER,
  })
  assert.equal(highValue.handler({ ...event, subject: 'vip/a' }).subject, 'vip/a')
})

test('the premium processor takes it and gives it priority', () => {
  const { context, lines } = contextOf()
  const { type, subject, data } = highValue.handler(eventOf('com.company.orders.created', ORDER))
  assert.deepEqual(premium.metadata.triggers[0]?.filters, [{ exact: { type } }])
  assert.deepEqual(premium.handler(eventOf(type, data, { subject }), context), {
    type: 'com.company.orders.prioritized',
    subject: 'orders/a',
    data: { order_id: 'a', amount: 150, handling: 'express' },
  })
  assert.deepEqual(lines, ['premium order a, worth 150'])
})
