/** Transactors whose transactions end when the test says so. */
import type {
  AppendRecord,
  AppendResult,
  Transaction,
  Transactor,
} from '../../runtime/contract/broker.ts'

type Places = Array<Extract<AppendResult, { ok: true }>>

export class ScriptedTransactor implements Transactor {
  readonly id: string
  readonly transactions: Transaction[] = []
  closes = 0
  readonly #pending: Array<PromiseWithResolvers<Places>> = []

  constructor(id = 'id') {
    this.id = id
  }

  transact(transaction: Transaction): Promise<Places> {
    const pending = Promise.withResolvers<Places>()
    this.transactions.push(transaction)
    this.#pending.push(pending)
    return pending.promise
  }

  async close(): Promise<void> {
    this.closes++
  }

  /** Commits the oldest transaction under way. */
  commit(): void {
    const { records } = this.transactions.at(-this.#pending.length) as Transaction
    const places = records.map(({ topic }, offset) => {
      return { ok: true, topic, partition: 0, offset } as const
    })
    this.#take().resolve(places)
  }

  fail(error: Error): void {
    this.#take().reject(error)
  }

  #take(): PromiseWithResolvers<Places> {
    const pending = this.#pending.shift()
    if (pending === undefined) throw new Error('no transaction is under way')
    return pending
  }
}

export function recordTo(topic: string, value: string): AppendRecord {
  return { topic, key: null, value, headers: [], partitionBy: 0 }
}
