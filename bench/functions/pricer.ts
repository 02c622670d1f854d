/** The bench's handler: the same work as `handle` in `bench/by-hand.ts`. */
import type { CloudEvent, FunctionMetadata, Reply } from 'millrace'

interface Order {
  order_id: string
  customer_id: string
  items: Array<{ product_id: string; quantity: number; price: number }>
  amount: number
}

export const metadata = {
  triggers: [
    {
      broker: 'bench/BROKER',
      filters: [{ exact: { type: 'bench.orders.created' } }],
      startFrom: 'earliest',
    },
  ],
} satisfies FunctionMetadata

export function handler(event: CloudEvent<Order>): Reply {
  const order = event.data as Order
  let total = 0
  for (const item of order.items) total += item.quantity * item.price
  return {
    type: 'bench.orders.priced',
    data: {
      order_id: order.order_id,
      customer_id: order.customer_id,
      lines: order.items.length,
      total: Math.round(total * 100) / 100,
    },
  }
}
