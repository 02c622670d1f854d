/**
 * A broker whose transactions are one append after a look at the expected ends: enough for what one
 * process tests of their users. What a transaction must hold is in the broker's contract suite.
 */
import { appendAll, type Broker, type Transactor } from '../../runtime/contract/broker.ts'
import { MillraceError } from '../../runtime/errors.ts'

export function withSimpleTransactor(broker: Broker): Broker {
  let queue: Promise<unknown> = Promise.resolve()
  const transactor = async ({ id }: { id: string }): Promise<Transactor> => ({
    id,
    transact: (transaction) => {
      const mine = queue.then(async () => {
        const expected = transaction.expect ?? []
        for (const [i, range] of (await broker.ranges(expected)).entries()) {
          if (range.end === expected[i]?.end) continue
          throw new MillraceError('FN_BROKER_CONFLICT', `${range.topic} ends at ${range.end}`)
        }
        return appendAll(broker, transaction.records)
      })
      queue = mine.catch(() => {})
      return mine
    },
    close: async () => {},
  })
  return new Proxy(broker, {
    get: (target, name) => {
      if (name === 'transactor') return transactor
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
