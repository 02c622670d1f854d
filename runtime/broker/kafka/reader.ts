/** Reads from any position of any partition, without a group. */
import type {
  PartitionRange,
  ReadBatch,
  ReadOptions,
  TopicPartition,
} from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { refusal, unknownTopic, type Cluster } from './cluster.ts'
import { Demand } from './demand.ts'
import type { FetchAnswer } from './fetch-api.ts'
import type { OffsetLister } from './list-offsets.ts'
import { NodeFetcher } from './node-fetcher.ts'
import { CODE, codeName, isStaleLeader, isTransient } from './protocol-codes.ts'
import { decodeRecords, type Decoded } from './record-decoder.ts'
import { REQUEST_DEADLINE_MS, Transient, UNKNOWN_TOPIC_PATIENCE_MS } from './transient.ts'
import { closed, pause, persist, settled } from './transient.ts'

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1_000

export interface ReaderOptions {
  lister: OffsetLister
  closing: AbortSignal
}

export class Reader {
  readonly #cluster: Cluster
  readonly #options: ReaderOptions
  readonly #fetchers = new Map<number, NodeFetcher>()
  readonly #open = new Set<Demand>()

  constructor(cluster: Cluster, options: ReaderOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  async read(at: TopicPartition, from: number, options: ReadOptions = {}): Promise<ReadBatch> {
    if (this.#options.closing.aborted) throw closed()
    options.signal?.throwIfAborted()
    const demand = new Demand(at, from, options, (aborted) => this.#drop(aborted))
    this.#open.add(demand)
    void this.#route(demand)
    try {
      return await demand.batch
    } finally {
      this.#open.delete(demand)
    }
  }

  close(): void {
    for (const demand of this.#open) demand.reject(closed())
  }

  /** Hands the demand to the fetcher of the partition's leader; never rejects. */
  async #route(demand: Demand): Promise<void> {
    try {
      const { closing } = this.#options
      const node =
        this.#cluster.knownLeader(demand) ??
        (await persist(() => this.#cluster.leader(demand), { closing }))
      if (!demand.settled) this.#fetcher(node).add(demand)
    } catch (error) {
      demand.reject(settled(error))
    }
  }

  #fetcher(node: number): NodeFetcher {
    let fetcher = this.#fetchers.get(node)
    if (fetcher === undefined) {
      fetcher = new NodeFetcher(this.#cluster, node, {
        answer: (demand, answer) => this.#judge(demand, answer),
        failure: (demand, error) => {
          this.#cluster.forgetLeader(demand)
          this.#again(demand, error)
        },
      })
      this.#fetchers.set(node, fetcher)
    }
    return fetcher
  }

  #judge(demand: Demand, answer: FetchAnswer | undefined): void {
    if (demand.settled) return
    if (answer === undefined) {
      this.#again(demand, new Transient(`Kafka's answer does not name ${demand.key}`))
    } else if (answer.code === CODE.none) {
      this.#deliver(demand, answer)
    } else if (answer.code === CODE.offsetOutOfRange) {
      void this.#outOfRange(demand)
    } else if (isTransient(answer.code)) {
      if (isStaleLeader(answer.code)) this.#cluster.forgetLeader(demand)
      const isUnknown = answer.code === CODE.unknownTopicOrPartition
      this.#again(
        demand,
        isUnknown
          ? unknownTopic(demand.topic)
          : new Transient(`Kafka does not read ${demand.key}: ${codeName(answer.code)}`),
      )
    } else {
      demand.reject(refusal(answer.code, `read ${demand.key}`))
    }
  }

  #deliver(demand: Demand, answer: FetchAnswer): void {
    const { from, maxBytes } = demand
    let decoded: Decoded
    try {
      decoded = decodeRecords(answer.records, { from, maxBytes, aborted: answer.aborted })
    } catch (error) {
      demand.reject(unreadable(demand, error))
      return
    }
    demand.failures = 0
    demand.failingSince = undefined
    const { records, next } = decoded
    const isEmpty = next === from
    const isStarved = isEmpty && answer.lastStableOffset > from && !demand.starved
    demand.starved = isStarved
    if (isStarved || (isEmpty && Date.now() < demand.until)) {
      void this.#route(demand)
      return
    }
    const start = answer.logStartOffset
    demand.resolve({ records, next, start, end: Math.max(answer.lastStableOffset, next) })
  }

  /** Tries again after a pause, for a while; never rejects. */
  #again(demand: Demand, error: unknown): void {
    if (demand.settled) return
    demand.failingSince ??= Date.now()
    const patienceMs =
      error instanceof Transient && error.code === 'FN_BROKER_UNKNOWN_TOPIC'
        ? UNKNOWN_TOPIC_PATIENCE_MS
        : REQUEST_DEADLINE_MS
    if (!(error instanceof Transient) || Date.now() - demand.failingSince > patienceMs) {
      demand.reject(settled(error))
      return
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** demand.failures++, LONGEST_PAUSE_MS)
    pause(pauseMs, this.#options.closing).then(
      () => void this.#route(demand),
      (reason: unknown) => demand.reject(reason),
    )
  }

  async #outOfRange(demand: Demand): Promise<void> {
    const { from, topic, partition } = demand
    try {
      const [range] = await this.#options.lister.ranges([demand])
      const { start, end } = range as PartitionRange
      demand.reject(
        new MillraceError(
          'FN_BROKER_OFFSET_OUT_OF_RANGE',
          `${topic}/${partition} holds the offsets ${start} to ${end}, and ${from} was asked for; choose a new position`,
          { detail: { from, start, end } },
        ),
      )
    } catch (error) {
      demand.reject(error)
    }
  }

  #drop(demand: Demand): void {
    for (const fetcher of this.#fetchers.values()) fetcher.remove(demand)
  }
}

function unreadable(demand: Demand, error: unknown): Error {
  if (error instanceof MillraceError) return error
  return new MillraceError(
    'FN_BROKER_REFUSED',
    `The records of ${demand.key} from ${demand.from} on cannot be decoded: ${String(error)}`,
    { cause: error },
  )
}
