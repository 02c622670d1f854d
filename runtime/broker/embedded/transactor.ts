/**
 * The owner of a transactional id in this process, which is the log's only one. Whether it still is the
 * owner, who owns partitions, and where they end, is looked at when the transaction's turn comes, in the
 * same breath in which its records get their offsets.
 */
import type { AppendResult, Transaction, Transactor } from '../../contract/broker.ts'
import { MillraceError, isMillraceError } from '../../errors.ts'
import { partitionOf } from '../partitioner.ts'
import { conflict, fenced, transactionFailure, transactorEnded } from '../transaction-errors.ts'
import type { CommitRules } from './commit-rules.ts'
import { Member } from './coordinator.ts'
import type { EndOf, GroupCommit, WholeWrite } from './group-commit.ts'
import type { TopicTable } from './topic-table.ts'

const CLOSE_DEADLINE_MS = 5_000

type Place = Extract<AppendResult, { ok: true }>

interface TransactorParts {
  topics: TopicTable
  writes: GroupCommit
  rules: CommitRules
  /** Throws `FN_BROKER_CLOSED` once the broker is closed. */
  assertOpen: () => void
}

export class EmbeddedTransactor implements Transactor {
  readonly id: string
  readonly #parts: TransactorParts
  #isFenced = false
  #failure: Error | undefined
  #closed: Promise<void> | undefined

  constructor(id: string, parts: TransactorParts) {
    this.id = id
    this.#parts = parts
  }

  /** Another owner has come: what is not in a write yet is refused. */
  fence(): void {
    this.#isFenced = true
  }

  async transact(transaction: Transaction): Promise<Place[]> {
    this.#parts.assertOpen()
    if (this.#closed) {
      throw new MillraceError('FN_BROKER_CLOSED', `The transactor ${this.id} was closed`)
    }
    this.#assertUsable()
    try {
      return (await this.#parts.writes.transact(this.#writeOf(transaction))) as Place[]
    } catch (error) {
      throw transactionFailure(this.id, error as Error)
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** What is wrong with it from the start shows in its turn too: what is before it in the queue may pass. */
  #writeOf(transaction: Transaction): WholeWrite {
    const failed = (error: Error): void => this.#failed(error)
    try {
      const admit = (endOf: EndOf): void => this.#admit(transaction, endOf)
      return { ...this.#placed(transaction), admit, failed }
    } catch (error) {
      const admit = (): void => {
        this.#assertUsable()
        throw error
      }
      return { records: [], targets: [], rows: [], admit, failed }
    }
  }

  #placed({ records, commits = [] }: Transaction): Omit<WholeWrite, 'admit' | 'failed'> {
    const { topics, rules } = this.#parts
    const targets = records.map(({ topic, partitionBy }) => {
      const { length } = topics.partitionsOf(topic)
      return topics.at({ topic, partition: partitionOf(partitionBy, length) })
    })
    return { records, targets, rows: commits.flatMap((commit) => rules.rowsOf(commit)) }
  }

  #admit({ commits = [], fence, expect = [] }: Transaction, endOf: EndOf): void {
    this.#assertUsable()
    if (fence) assertAlive(fence.membership)
    for (const commit of commits) this.#parts.rules.assertAllowed(commit, fence ? { fence } : {})
    for (const { topic, partition, end } of expect) {
      const found = endOf(this.#parts.topics.at({ topic, partition }))
      if (found !== end) throw conflict({ topic, partition }, end, found)
    }
  }

  #assertUsable(): void {
    if (this.#failure) throw transactorEnded(this.id, this.#failure)
    if (this.#isFenced) throw fenced(this.id)
  }

  #failed(error: Error): void {
    if (isMillraceError(error, 'FN_BROKER_CONFLICT')) return
    this.#failure ??= transactionFailure(this.id, error)
  }

  async #close(): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, CLOSE_DEADLINE_MS)
    await Promise.race([this.#parts.writes.settled(), late.promise])
    clearTimeout(timer)
    this.fence()
  }
}

function assertAlive(membership: unknown): void {
  if (membership instanceof Member && membership.isAlive) return
  throw new MillraceError(
    'FN_BROKER_STALE_EPOCH',
    'The membership of a transaction has ended. Discard these results; the new owner handles the records again',
  )
}
