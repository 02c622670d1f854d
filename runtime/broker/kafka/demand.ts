import type { ReadBatch, ReadOptions, TopicPartition } from '../../contract/broker.ts'
import { partitionKey } from '../../contract/broker.ts'
import type { FetchPartition } from './fetch-api.ts'

const DEFAULT_MAX_BYTES = 1024 * 1024

/** One read that waits for its answer. */
export class Demand implements FetchPartition {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly maxBytes: number
  readonly key: string
  /** Until when to wait for a first record, milliseconds since the epoch. */
  readonly until: number
  readonly batch: Promise<ReadBatch>
  /** A broker has looked at it. */
  tried = false
  /**
   * There was something to read, and none of it in the answer: a broker gives a batch that is larger
   * than asked for to the first partition of a request only.
   */
  starved = false
  /** When the first of the failures in a row happened. */
  failingSince: number | undefined
  failures = 0
  settled = false
  readonly #resolve: (batch: ReadBatch) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void

  constructor(
    at: TopicPartition,
    from: number,
    options: ReadOptions,
    onAbort: (demand: Demand) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<ReadBatch>()
    this.topic = at.topic
    this.partition = at.partition
    this.from = from
    this.maxBytes = Math.max(1, options.maxBytes ?? DEFAULT_MAX_BYTES)
    this.key = partitionKey(at)
    this.until = Date.now() + (options.waitMs ?? 0)
    this.batch = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = options.signal
    this.#onAbort = () => {
      onAbort(this)
      this.reject(this.#signal?.reason)
    }
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  resolve(batch: ReadBatch): void {
    this.#settle()
    this.#resolve(batch)
  }

  reject(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.settled = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
