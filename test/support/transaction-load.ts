/** Transactions one after another on one transactional id, and whether the log holds them whole. */
import assert from 'node:assert/strict'
import type { Broker, Transaction, Transactor } from '../../runtime/contract/broker.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { recordOf } from './broker-contract/opening.ts'
import { readToEnd, textsOf } from './broker-contract/reading.ts'
import { stableOffset } from './broker-contract/transaction-checks.ts'
import { eventually } from './eventually.ts'
import { uniqueName } from './kafka.ts'

const LAST = 1_000_000

export interface TransactionLoad {
  resolved(): number
  rejected(): number
  /** Of the transaction with this number, counted from 0. */
  isResolved(i: number): boolean
  reaches(resolved: number): Promise<unknown>
  /** Until the transaction with this number has failed. */
  fails(i: number): Promise<unknown>
  /** Stops, and fails unless what resolved is there once and the rest once or not at all, each whole. */
  end(): Promise<void>
}

/** A record in each of two partitions and an offset, all with the number. */
export function step(topic: string, group: string, i: number): Transaction {
  return {
    records: [0, 1].map((partitionBy) => recordOf(topic, { value: String(i), partitionBy })),
    commits: [{ group, offsets: [{ topic, partition: 0, offset: i }] }],
  }
}

/** Goes on until it is ended; opens its id again when a transaction fails. The topic is its own. */
export function transacting(broker: Broker, topic: string): TransactionLoad {
  const [id, group] = [uniqueName('id'), uniqueName('group')]
  const resolved: number[] = []
  const rejected: number[] = []
  let isOver = false
  const work = async (): Promise<void> => {
    let transactor: Transactor | undefined
    for (let i = 0; !isOver; i++) {
      try {
        transactor ??= await broker.transactor({ id })
        await transactor.transact(step(topic, group, i))
        resolved.push(i)
      } catch (error) {
        // A test that fails closes its broker; going on would keep the process from ever hearing of it.
        if (isMillraceError(error, 'FN_BROKER_CLOSED')) return
        rejected.push(i)
        await transactor?.close()
        transactor = undefined
      }
    }
  }
  const working = work()
  const written = (partition: number): Promise<number[]> =>
    eventually(async () => {
      const numbers = textsOf(await readToEnd(broker, { topic, partition })).map(Number)
      return numbers.at(-1) === LAST ? numbers.slice(0, -1) : undefined
    }, `the last record of ${topic}/${partition}`)
  return {
    resolved: () => resolved.length,
    rejected: () => rejected.length,
    isResolved: (i) => resolved.includes(i),
    reaches: (count) =>
      eventually(() => resolved.length >= count, `${count} transactions`, 120_000),
    fails: (i) => eventually(() => rejected.includes(i), `transaction ${i} fails`),
    async end() {
      isOver = true
      await working
      // Ends what is open, so that everything has an outcome.
      const transactor = await broker.transactor({ id })
      const committed = await stableOffset(broker, group, { topic, partition: 0 })
      await transactor.transact(step(topic, group, LAST))
      const [first, second] = [await written(0), await written(1)]
      assert.deepEqual(first, second, 'both partitions hold the same transactions')
      const found = new Set(first)
      assert.equal(found.size, first.length, 'each one once')
      assert.equal(committed, Math.max(...first), 'and the offset of the last one')
      const missing = resolved.filter((i) => !found.has(i))
      assert.deepEqual(missing, [], 'nothing that resolved is missing')
      for (const i of [...resolved, ...rejected]) found.delete(i)
      assert.deepEqual([...found], [], 'nothing else is there')
    },
  }
}
