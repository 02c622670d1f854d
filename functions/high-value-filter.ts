import type { CloudEvent, FunctionMetadata } from 'millrace'
import type { Order } from './_order.ts'

/**
 * Picks out the orders that deserve special care. The picking is metadata alone: the runtime answers
 * it without calling the handler, and `fn explain` says which line an event failed.
 */
export const metadata = {
  triggers: [
    {
      broker: 'events/kafka-broker',
      filters: [
        {
          any: [
            { exact: { type: 'com.company.orders.created' } },
            { exact: { type: 'com.company.orders.updated' } },
          ],
        },
        { data: { amount: { gte: 100 } } },
        { exact: { priority: 'high' } },
      ],
    },
  ],
} satisfies FunctionMetadata

export function handler(event: CloudEvent<Order>) {
  return {
    type: 'com.company.orders.highvalue',
    subject: event.subject ?? `orders/${event.data.order_id}`,
    data: event.data,
  }
}
