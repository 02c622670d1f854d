/** The writing half of a broker for operator commands. */
import type { Broker } from '../contract/broker.ts'
import type { LogWriter, PlacedRecord, WriterTransaction } from '../contract/log-access.ts'

type WritableBroker = Pick<Broker, 'append' | 'ensureTopic' | 'commit' | 'transactor'>

export function brokerWriter(broker: WritableBroker): LogWriter {
  /** The last transaction of each id: two at once in one process would only fence each other. */
  const last = new Map<string, Promise<unknown>>()
  return {
    append: (records) => broker.append(records),
    ensureTopic: (topic, options) => broker.ensureTopic(topic, options),
    commit: (group, offsets) => broker.commit(group, offsets),
    transact: (id, transaction) => {
      const before = last.get(id) ?? Promise.resolve()
      const mine = before.then(() => transactOnce(broker, id, transaction))
      const ended = mine
        .catch(() => {}) // its caller has it
        .then(() => {
          if (last.get(id) === ended) last.delete(id)
        })
      last.set(id, ended)
      return mine
    },
  }
}

async function transactOnce(
  broker: WritableBroker,
  id: string,
  transaction: WriterTransaction,
): Promise<PlacedRecord[]> {
  const transactor = await broker.transactor({ id })
  try {
    return await transactor.transact(transaction)
  } finally {
    await transactor.close()
  }
}
