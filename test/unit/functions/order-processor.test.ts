import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadLetter } from 'millrace'
import { handler } from '../../../functions/order-processor.ts'
import { contextOf, eventOf } from '../../support/handler-call.ts'

const ORDER_CREATED = 'com.company.orders.created'
const PAYMENT = 'com.company.payments.processed'
const { context } = contextOf()

test('an order is processed', () => {
  const order = { order_id: 'a', customer_id: 'c', amount: 12.5 }
  assert.deepEqual(handler(eventOf(ORDER_CREATED, order), context), {
    type: 'com.company.orders.processed',
    subject: 'orders/a',
    data: { ...order, status: 'processed' },
  })
})

test('a payment makes its order paid', () => {
  const payment = { payment_id: 'p', order_id: 'a', amount: 12.5 }
  assert.deepEqual(handler(eventOf(PAYMENT, payment, { orderid: 'a' }), context), {
    type: 'com.company.orders.paid',
    subject: 'orders/a',
    orderid: 'a',
    data: { order_id: 'a', payment_id: 'p', amount: 12.5, status: 'paid' },
  })
})

test('a payment whose data names no order is assigned by the extension attribute', () => {
  const reply = handler(eventOf(PAYMENT, { payment_id: 'p' }, { orderid: 'a' }), context)
  assert.equal(reply.subject, 'orders/a')
})

test('what names no order is dead-lettered', () => {
  for (const [event, reason] of [
    [eventOf(ORDER_CREATED, {}), 'the order has no order_id'],
    [eventOf(ORDER_CREATED, undefined), 'the order has no order_id'],
    [eventOf(PAYMENT, { payment_id: 'p' }), 'the payment names no order'],
    [eventOf(PAYMENT, null), 'the payment names no order'],
  ] as const) {
    assert.throws(
      () => handler(event, context),
      (error) => error instanceof DeadLetter && error.message === reason,
    )
  }
})
