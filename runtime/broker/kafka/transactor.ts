/** The owner of a transactional id: transactions one after another, until one fails. */
import { randomUUID } from 'node:crypto'
import type { Transaction, Transactor, TransactorOptions } from '../../contract/broker.ts'
import { MillraceError, isMillraceError } from '../../errors.ts'
import { transactionFailure, transactorEnded } from '../transaction-errors.ts'
import type { Cluster } from './cluster.ts'
import type { Connections, Lane } from './connections.ts'
import type { OffsetLister } from './list-offsets.ts'
import { OpenTransaction, type Place } from './open-transaction.ts'
import type { ProducerIdentity } from './record-encoder.ts'
import { TransactionBatches } from './transaction-batches.ts'
import { TransactionRequests } from './transaction-requests.ts'
import { closed, persist, settled } from './transient.ts'

const DEFAULT_TIMEOUT_MS = 60_000
const CLOSE_DEADLINE_MS = 5_000

export interface TransactorContext {
  cluster: Cluster
  connections: Connections
  lister: OffsetLister
  closing: AbortSignal
  /** How long opening, and everything before a commit, may take. */
  deadlineMs: number
  onClose(transactor: KafkaTransactor): void
}

interface Opened {
  requests: TransactionRequests
  producer: ProducerIdentity
  lane: Lane
  deadlineMs: number
}

export async function openTransactor(
  { id, timeoutMs = DEFAULT_TIMEOUT_MS }: TransactorOptions,
  context: TransactorContext,
): Promise<KafkaTransactor> {
  const { cluster, connections, closing } = context
  // A lane of its own: a broker works on one request of a connection after the other.
  const lane = { name: `transactor-${randomUUID()}` }
  const requests = new TransactionRequests(id, { cluster, connections, lane })
  // What is open for longer than the timeout is aborted by the broker.
  const deadlineMs = Math.min(context.deadlineMs, timeoutMs)
  try {
    const init = (): Promise<ProducerIdentity> => requests.init(timeoutMs)
    const producer = await persist(init, { closing, deadlineMs: context.deadlineMs })
    return new KafkaTransactor({ requests, producer, lane, deadlineMs }, context)
  } catch (error) {
    await connections.closeLane(lane)
    throw error
  }
}

export class KafkaTransactor implements Transactor {
  readonly id: string
  readonly #opened: Opened
  readonly #context: TransactorContext
  readonly #batches: TransactionBatches
  readonly #givingUp = new AbortController()
  readonly #closing: AbortSignal
  /** Settles when everything asked for so far has ended. */
  #queue: Promise<unknown> = Promise.resolve()
  #failure: Error | undefined
  #closed: Promise<void> | undefined

  constructor(opened: Opened, context: TransactorContext) {
    this.id = opened.requests.id
    this.#opened = opened
    this.#context = context
    this.#batches = new TransactionBatches(opened.producer)
    this.#closing = AbortSignal.any([context.closing, this.#givingUp.signal])
  }

  transact(transaction: Transaction): Promise<Place[]> {
    if (this.#closed) return Promise.reject(closed())
    const running = this.#queue.then(() => this.#run(transaction))
    // The caller hears of the failure; the queue only goes on.
    this.#queue = running.catch(() => {})
    return running
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #run(transaction: Transaction): Promise<Place[]> {
    if (this.#failure) throw transactorEnded(this.id, this.#failure)
    const { cluster, lister } = this.#context
    const { requests, producer, deadlineMs } = this.#opened
    const open = new OpenTransaction(transaction, {
      cluster,
      lister,
      requests,
      producer,
      batches: this.#batches,
      closing: this.#closing,
      deadlineMs,
    })
    try {
      return await open.perform()
    } catch (error) {
      const known = settled(error)
      if (isMillraceError(known, 'FN_BROKER_CONFLICT')) throw known
      const isUnknown = open.isCommitting && isMillraceError(known, 'FN_BROKER_CLOSED')
      this.#failure = isUnknown ? unanswered(this.id) : transactionFailure(this.id, known)
      await open.abort(this.#failure)
      throw this.#failure
    }
  }

  /** Waits for what was asked for, a few seconds at most; the rest is given up, and the broker aborts it. */
  async #close(): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, CLOSE_DEADLINE_MS)
    await Promise.race([this.#queue, late.promise])
    clearTimeout(timer)
    this.#givingUp.abort()
    await this.#context.connections.closeLane(this.#opened.lane)
    this.#context.onClose(this)
  }
}

function unanswered(id: string): MillraceError {
  return new MillraceError(
    'FN_BROKER_TRANSACTION_FAILED',
    `Kafka did not answer the commit of a transaction of ${id} before it was closed: it may or may not be committed`,
    { detail: { id } },
  )
}
