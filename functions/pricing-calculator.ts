import type { CloudEvent, FunctionMetadata } from 'millrace'
import type { Order, PricedOrder } from './_order.ts'

/** Step 3 of the order sequence: adds the order up. */
export const metadata = {
  triggers: [
    {
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.checked' } }],
    },
  ],
} satisfies FunctionMetadata

export function handler({ data: order }: CloudEvent<Order>) {
  const data: PricedOrder = { ...order, total: totalOf(order) }
  return { type: 'com.company.orders.priced', subject: `orders/${order.order_id}`, data }
}

/** The items decide. An order without items is worth what its producer said. */
function totalOf({ items, amount = 0 }: Order): number {
  if (items.length === 0) return amount
  // Whole cents: 3 × 0.1 must not become 0.30000000000000004.
  const cents = items.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0)
  return cents / 100
}
