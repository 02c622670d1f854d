/**
 * The transactors of this process, a bounded number of them: each holds a connection. The one that has
 * been idle for longest makes room for another, and opens again for its next transaction.
 */
import type {
  AppendResult,
  Transaction,
  Transactor,
  TransactorOptions,
} from '../contract/broker.ts'
import { isMillraceError, MillraceError } from '../errors.ts'

export interface TransactorsOptions {
  open: (options: TransactorOptions) => Promise<Transactor>
  /** Default 64. */
  max?: number | undefined
  /** Default five minutes. */
  idleMs?: number | undefined
}

const MAX_OPEN = 64
const IDLE_MS = 5 * 60 * 1000

export class Transactors {
  readonly #open: TransactorsOptions['open']
  readonly #idleMs: number
  readonly #max: number
  /** Places that are taken: open, being opened or being closed. */
  #taken = 0
  #leaving = 0
  /** Who waits for a place, first in front. */
  #waiting: Array<() => void> = []
  /** Open ones without a transaction, the longest idle first, with what ends the wait for their end. */
  readonly #idle = new Map<SharedTransactor, NodeJS.Timeout>()

  constructor({ open, max = MAX_OPEN, idleMs = IDLE_MS }: TransactorsOptions) {
    this.#open = open
    this.#max = max
    this.#idleMs = idleMs
  }

  /**
   * Opens one and keeps its place until `settle` is called. `reopened` is called each time that it was
   * opened again, before its transaction: the id may have had another owner in between, whose work a
   * rejection here keeps from being overwritten.
   */
  async open(id: string, reopened: () => Promise<void>): Promise<SharedTransactor> {
    const transactor = new SharedTransactor(id, { reopened, places: this })
    await transactor.start()
    return transactor
  }

  /** For `SharedTransactor`: opens in a place of its own; an abort ends the wait for one. */
  async enter(id: string, signal: AbortSignal): Promise<Transactor> {
    if (this.#taken < this.#max) this.#taken++
    else await this.#place(signal)
    try {
      return await this.#open({ id })
    } catch (error) {
      this.#left()
      throw error
    }
  }

  /** For `SharedTransactor`: it has no transaction any more. */
  idle(one: SharedTransactor): void {
    const timer = setTimeout(() => this.#close(one), this.#idleMs).unref()
    this.#idle.set(one, timer)
    this.#makeRoom()
  }

  /** For `SharedTransactor`: it has one again. */
  busy(one: SharedTransactor): void {
    clearTimeout(this.#idle.get(one))
    this.#idle.delete(one)
  }

  /** For `SharedTransactor`: closes what was opened; its place is free then. */
  async leave(opened: Transactor): Promise<void> {
    try {
      await opened.close()
    } catch {
      // The log ends by itself what was left open.
    }
    this.#left()
  }

  #place(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const taken = (): void => {
        signal.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== taken)
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(taken)
      this.#makeRoom()
    })
  }

  #left(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken--
    else next()
  }

  #makeRoom(): void {
    for (const one of this.#idle.keys()) {
      if (this.#leaving >= this.#waiting.length) return
      this.#close(one)
    }
  }

  #close(one: SharedTransactor): void {
    this.busy(one)
    this.#leaving++
    void one.rest().finally(() => this.#leaving--)
  }
}

interface Parts {
  reopened: () => Promise<void>
  places: Transactors
}

export class SharedTransactor implements Transactor {
  readonly id: string
  readonly #parts: Parts
  readonly #closing = new AbortController()
  /** Undefined while it has no place. */
  #opened: Promise<Transactor> | undefined
  /** Transactions under way. */
  #users = 0
  #failure: Error | undefined
  /** Its last place is free again. */
  #left: Promise<void> = Promise.resolve()

  constructor(id: string, parts: Parts) {
    this.id = id
    this.#parts = parts
  }

  /** For `Transactors`. */
  async start(): Promise<void> {
    this.#users++
    this.#opened = this.#parts.places.enter(this.id, this.#closing.signal)
    await this.#opened
  }

  /** From now on it keeps its place only while it is used. */
  settle(): void {
    this.#used()
  }

  async transact(transaction: Transaction): Promise<Array<Extract<AppendResult, { ok: true }>>> {
    this.#assertUsable()
    this.#users++
    this.#parts.places.busy(this)
    try {
      this.#opened ??= this.#reopen()
      const transactor = await this.#opened
      this.#assertUsable()
      return await transactor.transact(transaction)
    } catch (error) {
      if (!isMillraceError(error, 'FN_BROKER_CONFLICT')) this.#failure ??= error as Error
      throw error
    } finally {
      this.#used()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(closed(this.id))
    this.#parts.places.busy(this)
    await this.rest()
  }

  /** For `Transactors`: gives its place away. Never rejects. */
  rest(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    if (opened !== undefined) {
      this.#left = opened.then(
        (transactor) => this.#parts.places.leave(transactor),
        () => {}, // it has no place
      )
    }
    return this.#left
  }

  async #reopen(): Promise<Transactor> {
    const { places, reopened } = this.#parts
    await this.#left
    const transactor = await places.enter(this.id, this.#closing.signal)
    try {
      await reopened()
      return transactor
    } catch (error) {
      await places.leave(transactor)
      throw error
    }
  }

  #used(): void {
    this.#users--
    const hasPlace = this.#opened !== undefined && this.#failure === undefined
    if (this.#users === 0 && hasPlace) this.#parts.places.idle(this)
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#closing.signal.throwIfAborted()
  }
}

function closed(id: string): MillraceError {
  return new MillraceError('FN_BROKER_CLOSED', `The transactor ${id} was closed`)
}
