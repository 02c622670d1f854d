import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DeadLetter } from 'millrace'
import { handler } from '../../../functions/order-validator.ts'
import { eventOf } from '../../support/handler-call.ts'

const ITEM = { product_id: 'SKU-7', quantity: 2, price: 59.95 }

const validate = (data: unknown) => handler(eventOf('com.company.orders.created', data))

test('the sample order is valid and handed on', () => {
  const sample = JSON.parse(
    readFileSync(new URL('../../../functions/sample-order.json', import.meta.url), 'utf8'),
  ) as { data: object }
  assert.deepEqual(validate(sample.data), {
    type: 'com.company.orders.validated',
    subject: 'orders/ORD-1001',
    data: sample.data,
  })
})

test('a producer need not send more than order_id, which may be a number', () => {
  assert.deepEqual(validate({ order_id: 17 }).data, { order_id: '17', items: [] })
  assert.deepEqual(validate({ order_id: 'a', customer_id: 4, amount: 12.5 }).data, {
    order_id: 'a',
    customer_id: '4',
    items: [],
    amount: 12.5,
  })
})

test('what no later step knows is left out', () => {
  const order = { order_id: 'a', items: [{ ...ITEM, colour: 'red' }], coupon: 'X' }
  assert.deepEqual(validate(order).data, { order_id: 'a', items: [ITEM] })
})

const INVALID: Array<[data: unknown, reason: string]> = [
  [undefined, 'the order is not a JSON object'],
  [null, 'the order is not a JSON object'],
  ['text', 'the order is not a JSON object'],
  [[], 'the order is not a JSON object'],
  [{}, 'the order has no order_id'],
  [{ order_id: '' }, 'the order has no order_id'],
  [{ order_id: 'a', items: {} }, 'order a: items is not a list'],
  [{ order_id: 'a', amount: '12' }, 'order a: amount must be a number, 0 or more'],
  [{ order_id: 'a', amount: -1 }, 'order a: amount must be a number, 0 or more'],
  [{ order_id: 'a', items: [7] }, 'order a, item 1 is not a JSON object'],
  [{ order_id: 'a', items: [ITEM, {}] }, 'order a, item 2 has no product_id'],
  [
    { order_id: 'a', items: [{ ...ITEM, quantity: 0 }] },
    'order a, item 1: quantity must be a whole number, 1 or more',
  ],
  [
    { order_id: 'a', items: [{ ...ITEM, quantity: '2' }] },
    'order a, item 1: quantity must be a whole number, 1 or more',
  ],
  [
    { order_id: 'a', items: [{ ...ITEM, price: -0.01 }] },
    'order a, item 1: price must be a number, 0 or more',
  ],
]
for (const [data, reason] of INVALID) {
  test(`${JSON.stringify(data)} is dead-lettered: ${reason}`, () => {
    assert.throws(
      () => validate(data),
      (error) => error instanceof DeadLetter && error.message === reason,
    )
  })
}
