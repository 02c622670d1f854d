import { DeadLetter, type CloudEvent, type Context, type FunctionMetadata } from 'millrace'

/** One function, two triggers: new orders, and the payments for them. */
export const metadata = {
  triggers: [
    {
      name: 'order-events',
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.orders.created' } }],
    },
    {
      name: 'payment-events',
      broker: 'events/kafka-broker',
      filters: [{ exact: { type: 'com.company.payments.processed' } }],
    },
  ],
} satisfies FunctionMetadata

interface NewOrder {
  order_id?: string
  customer_id?: string
  amount?: number
}

/** The producer repeats the order's id as an extension attribute, so that others can route by it. */
interface PaymentEvent extends CloudEvent<Payment | undefined> {
  readonly orderid?: string
}

interface Payment {
  payment_id?: string
  order_id?: string
  amount?: number
}

export function handler(event: CloudEvent, context: Context) {
  if (event.type === 'com.company.payments.processed') {
    return orderPaid(event as PaymentEvent, context)
  }
  return orderProcessed(event as CloudEvent<NewOrder>, context)
}

function orderProcessed({ data: order }: CloudEvent<NewOrder | undefined>, context: Context) {
  if (!order?.order_id) throw new DeadLetter('the order has no order_id')
  context.log.info(`processing order ${order.order_id}`)
  return {
    type: 'com.company.orders.processed',
    subject: `orders/${order.order_id}`,
    data: { ...order, status: 'processed' },
  }
}

function orderPaid(event: PaymentEvent, context: Context) {
  const orderId = event.data?.order_id ?? event.orderid
  if (!orderId) throw new DeadLetter('the payment names no order')
  context.log.info(`order ${orderId} is paid`)
  return {
    type: 'com.company.orders.paid',
    subject: `orders/${orderId}`,
    orderid: orderId,
    data: {
      order_id: orderId,
      payment_id: event.data?.payment_id,
      amount: event.data?.amount,
      status: 'paid',
    },
  }
}
