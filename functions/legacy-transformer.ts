import { DeadLetter, type CloudEvent, type FunctionMetadata } from 'millrace'

/** Whatever the legacy system sends, of any type, becomes an order in the new format. */
export const metadata = {
  triggers: [{ broker: 'events/kafka-broker', filters: [{ exact: { source: 'legacy-system' } }] }],
} satisfies FunctionMetadata

interface LegacyOrder {
  orderId?: string
  customerId?: string
  orderItems?: Array<{ productId?: string; qty?: number; unitPrice?: number }>
  orderTotal?: number
}

export function handler({ data: old }: CloudEvent<LegacyOrder | undefined>) {
  if (!old?.orderId) throw new DeadLetter('the legacy order has no orderId')
  return {
    type: 'com.company.orders.created.v2',
    // A source of its own, or the reply would match this function's trigger again.
    source: 'event-transformer',
    subject: `orders/${old.orderId}`,
    data: {
      order_id: old.orderId,
      customer_id: old.customerId ?? null,
      items: (old.orderItems ?? []).map((item) => ({
        product_id: item.productId ?? null,
        quantity: item.qty ?? null,
        price: item.unitPrice ?? null,
      })),
      total: old.orderTotal ?? null,
    },
  }
}
