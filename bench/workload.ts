/** The events of the bench: orders of about 480 bytes, 1,000 customers. */
import { encodeRecord } from '../runtime/codec/record.ts'
import type { AppendRecord } from '../runtime/contract/broker.ts'

const CUSTOMERS = 1_000

export function orderId(i: number): string {
  return `ORD-${String(i).padStart(8, '0')}`
}

export function orderEvent(i: number, topic: string): AppendRecord {
  const data = {
    order_id: orderId(i),
    customer_id: `CUST-${i % CUSTOMERS}`,
    items: [
      { product_id: `SKU-${i % 97}`, quantity: 1 + (i % 5), price: 19.95 },
      { product_id: `SKU-${i % 89}`, quantity: 2, price: 5.5 },
    ],
    amount: 100 + (i % 900),
    note: 'delivered to the back door; please ring twice, wait a little, and mind the dog in the yard',
  }
  return encodeRecord(
    {
      attributes: {
        specversion: '1.0',
        id: `order-${i}`,
        source: 'orders-service',
        type: 'bench.orders.created',
        subject: `orders/${data.order_id}`,
        time: '2026-01-15T09:30:00Z',
        datacontenttype: 'application/json',
        partitionkey: data.customer_id,
      },
      data: { kind: 'json', bytes: Buffer.from(JSON.stringify(data)) },
    },
    topic,
  )
}

/** What the handler has to answer to the event `i`. */
export function expectedTotal(i: number): number {
  return Math.round(((1 + (i % 5)) * 19.95 + 2 * 5.5) * 100) / 100
}
