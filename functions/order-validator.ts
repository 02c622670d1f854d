import { DeadLetter, type CloudEvent, type FunctionMetadata } from 'millrace'
import type { Item, Order } from './_order.ts'

/** Step 1 of the order sequence. Each step takes one type of event and returns the next. */
export const metadata = {
  triggers: [
    {
      name: 'process-orders',
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.created' } }],
    },
  ],
} satisfies FunctionMetadata

export function handler(event: CloudEvent) {
  const order = validOrder(event.data)
  return {
    type: 'com.company.orders.validated',
    subject: `orders/${order.order_id}`,
    data: order,
  }
}

/**
 * A producer promises no more than `order_id`; what else is there must make sense. No number of
 * retries would mend an order, so a wrong one goes to the dead letters at once, with the reason.
 */
function validOrder(data: unknown): Order {
  if (!isObject(data)) throw new DeadLetter('the order is not a JSON object')
  const { order_id: id, customer_id: customer, items = [], amount } = data
  if (!isId(id)) throw new DeadLetter('the order has no order_id')
  if (!Array.isArray(items)) throw new DeadLetter(`order ${id}: items is not a list`)
  if (amount !== undefined && !isAmount(amount)) {
    throw new DeadLetter(`order ${id}: amount must be a number, 0 or more`)
  }
  return {
    order_id: String(id),
    ...(isId(customer) && { customer_id: String(customer) }),
    items: items.map((item: unknown, index) => validItem(item, `order ${id}, item ${index + 1}`)),
    ...(amount !== undefined && { amount }),
  }
}

function validItem(item: unknown, where: string): Item {
  if (!isObject(item)) throw new DeadLetter(`${where} is not a JSON object`)
  const { product_id: product, quantity, price } = item
  if (!isId(product)) throw new DeadLetter(`${where} has no product_id`)
  if (!Number.isInteger(quantity) || Number(quantity) < 1) {
    throw new DeadLetter(`${where}: quantity must be a whole number, 1 or more`)
  }
  if (!isAmount(price)) throw new DeadLetter(`${where}: price must be a number, 0 or more`)
  return { product_id: String(product), quantity: Number(quantity), price }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(value: unknown): value is string | number {
  return (typeof value === 'string' && value !== '') || typeof value === 'number'
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
