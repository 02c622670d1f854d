import type { CloudEvent, Context, FunctionMetadata } from 'millrace'
import type { Order } from './_order.ts'

/** Takes what `high-value-filter` picked out. */
export const metadata = {
  triggers: [
    {
      name: 'high-value-orders',
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.highvalue' } }],
    },
  ],
} satisfies FunctionMetadata

export function handler({ data: order, subject }: CloudEvent<Order>, context: Context) {
  context.log.info(`premium order ${order.order_id}, worth ${order.amount}`)
  return {
    type: 'com.company.orders.prioritized',
    subject,
    data: { order_id: order.order_id, amount: order.amount, handling: 'express' },
  }
}
