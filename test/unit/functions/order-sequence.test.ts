import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Order, PricedOrder } from '../../../functions/_order.ts'
import * as checker from '../../../functions/inventory-checker.ts'
import * as reserver from '../../../functions/inventory-reserver.ts'
import * as finalizer from '../../../functions/order-finalizer.ts'
import * as calculator from '../../../functions/pricing-calculator.ts'
import * as validator from '../../../functions/order-validator.ts'
import { contextOf, eventOf } from '../../support/handler-call.ts'

const ORDER: Order = {
  order_id: 'a',
  customer_id: 'c',
  items: [
    { product_id: 'x', quantity: 3, price: 0.1 },
    { product_id: 'y', quantity: 1, price: 19.99 },
  ],
}
const SUBJECT = 'orders/a'

test('each step takes the type that the step before returns', () => {
  const { context, lines } = contextOf()
  let event = eventOf<never>('com.company.orders.created', ORDER as never)
  const types: string[] = []
  for (const step of [validator, checker, calculator, reserver, finalizer]) {
    const [filter] = step.metadata.triggers[0]?.filters ?? []
    assert.deepEqual(filter, { exact: { type: event.type } })
    const reply = step.handler(event, context)
    assert.equal(reply.subject, SUBJECT)
    types.push(reply.type)
    event = eventOf<never>(reply.type, reply.data as never)
  }
  assert.deepEqual(
    types.map((type) => type.replace('com.company.orders.', '')),
    ['validated', 'checked', 'priced', 'reserved', 'finalized'],
  )
  assert.deepEqual(event.data, {
    ...ORDER,
    total: 20.29,
    reservation_id: 'reservation-a',
    status: 'finalized',
  })
  assert.deepEqual(lines, ['order a is final: 20.29'])
})

test('an order for more than there is takes another road', () => {
  const items = [{ product_id: 'x', quantity: 1_001, price: 1 }, ...ORDER.items]
  const order = { ...ORDER, items }
  assert.deepEqual(checker.handler(eventOf('com.company.orders.validated', order)), {
    type: 'com.company.orders.backordered',
    subject: SUBJECT,
    data: { ...order, missing: ['x'] },
  })
})

test('an order without items is worth what its producer said', () => {
  const totalOf = (order: Order): number =>
    calculator.handler(eventOf('com.company.orders.checked', order)).data.total
  assert.equal(totalOf({ order_id: 'a', items: [], amount: 12.5 }), 12.5)
  assert.equal(totalOf({ order_id: 'a', items: [] }), 0)
  assert.equal(totalOf({ ...ORDER, amount: 12.5 }), 20.29)
})

test('a second delivery gives the same reservation', () => {
  const order: PricedOrder = { ...ORDER, total: 20.29 }
  const event = eventOf('com.company.orders.priced', order)
  assert.deepEqual(reserver.handler(event), reserver.handler(event))
})
