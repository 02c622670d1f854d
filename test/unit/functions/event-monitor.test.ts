import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handler } from '../../../functions/event-monitor.ts'
import { contextOf, eventOf } from '../../support/handler-call.ts'

test('one line an event, and no reply', () => {
  const { context, lines } = contextOf()
  const type = 'com.company.orders.created'
  assert.equal(handler(eventOf(type, {}, { subject: 'orders/a' }), context), undefined)
  assert.equal(handler(eventOf(type, {}), context), undefined)
  assert.deepEqual(lines, [
    `${type} from orders-service, orders/a`,
    `${type} from orders-service, no subject`,
  ])
})
