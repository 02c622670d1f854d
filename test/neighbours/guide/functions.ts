/** The guide's services as functions of the same names: they do what its apps and `step_app.py` do. */
const step = (name: string, type: string, added: string): string => `
import type { CloudEvent } from 'millrace'
export const metadata = {}
export function handler(event: CloudEvent<object>) {
  return {
    type: '${type}',
    source: '${name}',
    subject: event.subject,
    data: { ...event.data, ${added} },
  }
}
`

const SORTED = `
function sorted(data: object): string {
  return JSON.stringify(data, Object.keys(data).toSorted())
}
`

export const FUNCTIONS: Record<string, string> = {
  'order-validator.ts': step('order-validator', 'com.company.orders.validated', 'valid: true'),
  'inventory-checker.ts': step('inventory-checker', 'com.company.orders.checked', 'in_stock: true'),
  'pricing-calculator.ts': step('pricing-calculator', 'com.company.orders.priced', 'priced: true'),
  'inventory-reserver.ts': step(
    'inventory-reserver',
    'com.company.orders.reserved',
    'reserved: true',
  ),
  'premium-order-processor.ts': step(
    'premium-order-processor',
    'com.company.orders.prioritized',
    `handling: 'express'`,
  ),
  'order-finalizer.ts': `
import type { CloudEvent, Context } from 'millrace'
export const metadata = {}
export function handler(event: CloudEvent<object>, context: Context) {
  context.log.info('final ' + sorted(event.data))
}
${SORTED}`,
  'order-processor.ts': `
import type { CloudEvent, Context } from 'millrace'
export const metadata = {}
export function handler(event: CloudEvent<{ order_id: string }>, context: Context) {
  const what = event.type === 'com.company.orders.created' ? 'Processing order' : 'Updating order status'
  context.log.info(what + ': ' + event.data.order_id)
}
`,
  'event-transformer.ts': `
import type { CloudEvent } from 'millrace'
export const metadata = {}
interface Legacy {
  orderId: string
  customerId: string
  orderItems: Array<{ productId: string; qty: number; unitPrice: number }>
  orderTotal: number
}
export function handler({ data: old }: CloudEvent<Legacy>) {
  return {
    type: 'com.company.orders.created.v2',
    source: 'event-transformer',
    subject: 'orders/' + old.orderId,
    data: {
      order_id: old.orderId,
      customer_id: old.customerId,
      items: old.orderItems.map((item) => ({
        product_id: item.productId,
        quantity: item.qty,
        price: item.unitPrice,
      })),
      total: old.orderTotal,
    },
  }
}
`,
  'event-filter.ts': `
import type { CloudEvent, Context } from 'millrace'
export const metadata = {}
interface Update extends CloudEvent<{ amount?: number }> {
  readonly priority?: string
}
export function handler(event: Update, context: Context) {
  if ((event.data.amount ?? 0) >= 100 && event.priority === 'high') context.log.info('passed on ' + event.id)
}
`,
  'event-monitor.ts': `
import type { CloudEvent, Context } from 'millrace'
export const metadata = {}
export function handler(event: CloudEvent, context: Context) {
  context.log.info('Processing ' + event.type + ' from ' + event.source)
}
`,
}
