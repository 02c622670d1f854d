/** What the order functions share. The underscore says: no function, only imported by some. */
export interface Item {
  product_id: string
  quantity: number
  /** Price of one. */
  price: number
}

export interface Order {
  order_id: string
  customer_id?: string
  items: Item[]
  /** What the producer says the order is worth. */
  amount?: number
}

/** The order once `pricing-calculator` has added it up. */
export interface PricedOrder extends Order {
  total: number
}
