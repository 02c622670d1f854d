import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadLetter } from 'millrace'
import { handler } from '../../../functions/legacy-transformer.ts'
import { eventOf } from '../../support/handler-call.ts'

const transform = (data: object | undefined) =>
  handler(eventOf('order', data, { source: 'legacy-system' }))

test('every field of a legacy order gets its new name', () => {
  assert.deepEqual(
    transform({
      orderId: 'a',
      customerId: 'c',
      orderItems: [{ productId: 'x', qty: 2, unitPrice: 4.5 }],
      orderTotal: 9,
    }),
    {
      type: 'com.company.orders.created.v2',
      source: 'event-transformer',
      subject: 'orders/a',
      data: {
        order_id: 'a',
        customer_id: 'c',
        items: [{ product_id: 'x', quantity: 2, price: 4.5 }],
        total: 9,
      },
    },
  )
})

test('what a legacy order leaves out is null, and its items an empty list', () => {
  assert.deepEqual(transform({ orderId: 'a' }).data, {
    order_id: 'a',
    customer_id: null,
    items: [],
    total: null,
  })
  assert.deepEqual(transform({ orderId: 'a', orderItems: [{}] }).data.items, [
    { product_id: null, quantity: null, price: null },
  ])
})

test('an event without an order is dead-lettered', () => {
  for (const data of [undefined, {}]) {
    assert.throws(() => transform(data), DeadLetter)
  }
})
