import type { CloudEvent, FunctionMetadata } from 'millrace'
import type { Order } from './_order.ts'

/** Step 2 of the order sequence: which items can be delivered? */
export const metadata = {
  triggers: [
    {
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.validated' } }],
    },
  ],
} satisfies FunctionMetadata

/** Stands in for a warehouse: it never has more than this of anything. */
const IN_STOCK = 1_000

export function handler({ data: order }: CloudEvent<Order>) {
  const missing = order.items.filter((item) => item.quantity > IN_STOCK)
  if (missing.length > 0) {
    // Not a failure, so no error: the order takes another road, by another type.
    return {
      type: 'com.company.orders.backordered',
      subject: `orders/${order.order_id}`,
      data: { ...order, missing: missing.map((item) => item.product_id) },
    }
  }
  return {
    type: 'com.company.orders.checked',
    subject: `orders/${order.order_id}`,
    data: order,
  }
}
