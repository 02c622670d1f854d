import type { CloudEvent, FunctionMetadata } from 'millrace'
import type { PricedOrder } from './_order.ts'

/** Step 4 of the order sequence: sets the items aside. */
export const metadata = {
  triggers: [
    {
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.priced' } }],
    },
  ],
} satisfies FunctionMetadata

export function handler({ data: order }: CloudEvent<PricedOrder>) {
  return {
    type: 'com.company.orders.reserved',
    subject: `orders/${order.order_id}`,
    // Made from the order and not at random: an event may be delivered twice, and the second
    // delivery must reserve nothing anew.
    data: { ...order, reservation_id: `reservation-${order.order_id}` },
  }
}
