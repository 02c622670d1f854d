import type { CloudEvent, Context, FunctionMetadata } from 'millrace'
import type { PricedOrder } from './_order.ts'

/** The end of the order sequence: one event for everybody who waits for finished orders. */
export const metadata = {
  triggers: [
    {
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.reserved' } }],
    },
  ],
} satisfies FunctionMetadata

export function handler({ data: order }: CloudEvent<PricedOrder>, context: Context) {
  context.log.info(`order ${order.order_id} is final: ${order.total}`)
  return {
    type: 'com.company.orders.finalized',
    subject: `orders/${order.order_id}`,
    data: { ...order, status: 'finalized' },
  }
}
