/**
 * Appends. Each partition has one batch on its way at most; what comes meanwhile forms the next. A
 * request carries the next batch of every partition that its node leads and that is ready, and each
 * partition's answer is judged by itself. Sends are idempotent: a batch is sent again byte for byte,
 * with the same producer and sequence, until its deadline; after that its producer is not used again.
 */
import { performance } from 'node:perf_hooks'
import { partitionOf } from '../partitioner.ts'
import type { AppendRecord, AppendResult } from '../../contract/broker.ts'
import { MillraceError, isMillraceError } from '../../errors.ts'
import { AppendCall } from './append-call.ts'
import { BatchBuffers } from './batch-buffers.ts'
import type { Cluster } from './cluster.ts'
import { REQUEST_TIMEOUT_MS, type Lane } from './connections.ts'
import { PartitionQueue } from './partition-queue.ts'
import { produceApi, type ProduceAnswer, type ProducePartition } from './produce-api.ts'
import { ProducerIdentities } from './producer-identities.ts'
import { CODE, codeName, isStaleLeader, isTransient } from './protocol-codes.ts'
import type { ProducerIdentity } from './record-encoder.ts'
import { Transient, closed, pause, persist, settled } from './transient.ts'

const PRODUCE: Lane = { name: 'produce' }
const MAX_REQUEST_BYTES = 8 * 1024 * 1024
/** The second is encoded and sent while the broker works on the first. */
const REQUESTS_IN_FLIGHT_PER_NODE = 2
const DEADLINE_CHECK_MS = 200
const CLOSE_DEADLINE_MS = 5_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

interface Departure extends ProducePartition {
  queue: PartitionQueue
}

export interface ProducerOptions {
  /** After this time a record that is not confirmed fails. */
  deadlineMs: number
  closing: AbortSignal
}

interface Topic {
  name: string
  /** By partition; undefined until the number of partitions is known. */
  queues: PartitionQueue[] | undefined
  /** Records that wait for the number of partitions, in order. */
  parked: Array<{ record: AppendRecord; call: AppendCall; index: number }>
}

export class Producer {
  readonly #cluster: Cluster
  readonly #options: ProducerOptions
  readonly #identities: ProducerIdentities
  readonly #buffers = new BatchBuffers()
  readonly #topics = new Map<string, Topic>()
  /** Queues that hold records. */
  readonly #active = new Set<PartitionQueue>()
  readonly #pausing = new Set<PartitionQueue>()
  /** Requests on their way, by node. */
  readonly #inFlight = new Map<number, number>()
  #pumping = false
  #closed = false
  #sweeper: NodeJS.Timeout | undefined

  constructor(cluster: Cluster, options: ProducerOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#identities = new ProducerIdentities(cluster)
  }

  append(records: readonly AppendRecord[]): Promise<AppendResult[]> {
    if (records.length === 0) return Promise.resolve([])
    const call = new AppendCall(records.length)
    let topic: Topic | undefined
    for (let index = 0; index < records.length; index++) {
      const record = records[index] as AppendRecord
      if (this.#closed) {
        call.settle(index, { ok: false, topic: record.topic, error: closed() })
        continue
      }
      if (topic?.name !== record.topic) topic = this.#topic(record.topic)
      this.#place(topic, record, call, index)
    }
    this.#schedule()
    return call.done
  }

  /** Waits for what is on its way, a few seconds at most, and fails the rest. */
  async close(): Promise<void> {
    this.#closed = true
    const until = performance.now() + CLOSE_DEADLINE_MS
    while (this.#active.size > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    for (const queue of this.#active) queue.failAll(closed())
    for (const topic of this.#topics.values()) {
      for (const { call, index } of topic.parked.splice(0)) {
        call.settle(index, { ok: false, topic: topic.name, error: closed() })
      }
    }
    this.#active.clear()
    clearInterval(this.#sweeper)
  }

  #topic(name: string): Topic {
    const count = this.#cluster.knownPartitions(name)
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { name, queues: undefined, parked: [] }
      this.#topics.set(name, topic)
    }
    // A known count does not let new records overtake parked ones.
    if (count !== undefined && topic.parked.length === 0) this.#grow(topic, count)
    return topic
  }

  #grow(topic: Topic, count: number): void {
    topic.queues ??= []
    for (let partition = topic.queues.length; partition < count; partition++) {
      topic.queues.push(new PartitionQueue({ topic: topic.name, partition }, this.#buffers))
    }
  }

  #place(topic: Topic, record: AppendRecord, call: AppendCall, index: number): void {
    const queues = topic.queues
    if (queues === undefined || topic.parked.length > 0) {
      topic.parked.push({ record, call, index })
      if (topic.parked.length === 1) void this.#learn(topic)
      return
    }
    try {
      const partition = partitionOf(record.partitionBy, queues.length)
      const queue = queues[partition] as PartitionQueue
      queue.add(record, call, index, this.#options.deadlineMs)
      this.#active.add(queue)
    } catch (error) {
      call.settle(index, { ok: false, topic: topic.name, error: settled(error) })
    }
  }

  /** Finds out the number of partitions and places the parked records; never rejects. */
  async #learn(topic: Topic): Promise<void> {
    const { closing, deadlineMs } = this.#options
    let failure: Error | undefined
    try {
      const ask = (): Promise<number> => this.#cluster.partitions(topic.name)
      this.#grow(topic, await persist(ask, { closing, deadlineMs }))
    } catch (error) {
      failure = asAppendFailure(error)
    }
    for (const { record, call, index } of topic.parked.splice(0)) {
      if (failure) call.settle(index, { ok: false, topic: topic.name, error: failure })
      else this.#place(topic, record, call, index)
    }
    if (failure) this.#topics.delete(topic.name)
    this.#schedule()
  }

  /** Sends after the calls of this moment, so that they share batches. */
  #schedule(): void {
    this.#sweeper ??= setInterval(() => this.#sweep(), DEADLINE_CHECK_MS).unref()
    if (this.#pumping) return
    this.#pumping = true
    queueMicrotask(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    const byNode = new Map<number, PartitionQueue[]>()
    for (const queue of this.#active) {
      if (queue.busy || queue.isEmpty) continue
      const node = this.#cluster.knownLeader(queue)
      if (node === undefined) {
        void this.#findLeader(queue)
        continue
      }
      const queues = byNode.get(node)
      if (queues) queues.push(queue)
      else byNode.set(node, [queue])
    }
    for (const [node, queues] of byNode) {
      while (queues.length > 0 && this.#inFlightAt(node) < REQUESTS_IN_FLIGHT_PER_NODE) {
        void this.#send(node, takeRequest(queues))
      }
    }
  }

  /** One request; never rejects. */
  async #send(node: number, queues: PartitionQueue[]): Promise<void> {
    this.#inFlight.set(node, this.#inFlightAt(node) + 1)
    for (const queue of queues) queue.busy = true
    const batches: Departure[] = []
    try {
      for (const queue of queues) {
        const identity = queue.identity ?? (await this.#identities.get(queue.abandoned))
        // Its records may have failed by their deadline while the identity was asked for.
        if (!queue.isEmpty) batches.push(departing(queue, identity))
      }
      const timeoutMs = REQUEST_TIMEOUT_MS - 1_000
      if (batches.length > 0) {
        this.#judge(batches, await this.#cluster.ask(PRODUCE, node, produceApi, batches, timeoutMs))
      }
    } catch (error) {
      for (const { queue } of batches) queue.returned()
      for (const queue of queues) {
        if (error instanceof Transient) this.#again(queue, true)
        else queue.failed(asAppendFailure(error))
      }
    }
    for (const queue of queues) if (!this.#pausing.has(queue)) queue.busy = false
    this.#inFlight.set(node, this.#inFlightAt(node) - 1)
    this.#tidy(queues)
    this.#schedule()
  }

  #judge(batches: Departure[], answers: ProduceAnswer[]): void {
    for (const { queue } of batches) {
      const answer = answers.find(
        ({ topic, partition }) => topic === queue.topic && partition === queue.partition,
      )
      if (answer?.code === CODE.none) {
        queue.succeeded(answer.offset)
      } else if (answer === undefined || isTransient(answer.code)) {
        // An answer that does not name the partition says nothing about it.
        queue.returned()
        this.#again(queue, answer === undefined || isStaleLeader(answer.code))
      } else {
        queue.failed(refused(queue, answer))
      }
    }
  }

  /** Tries the queue again after a pause, which keeps it busy. */
  #again(queue: PartitionQueue, staleLeader: boolean): void {
    if (staleLeader) this.#cluster.forgetLeader(queue)
    if (queue.isEmpty) return
    this.#pausing.add(queue)
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** queue.failures, LONGEST_PAUSE_MS)
    const goOn = (): void => {
      this.#pausing.delete(queue)
      queue.busy = false
      this.#schedule()
    }
    // Rejects when the driver closes, which has failed what was left by then.
    pause(pauseMs, this.#options.closing).then(goOn, goOn)
  }

  /** Looks for the leader until there is one; never rejects. */
  async #findLeader(queue: PartitionQueue): Promise<void> {
    queue.busy = true
    const { closing, deadlineMs } = this.#options
    try {
      await persist(() => this.#cluster.leader(queue), { closing, deadlineMs })
    } catch (error) {
      queue.failAll(asAppendFailure(error))
    }
    queue.busy = false
    this.#tidy([queue])
    this.#schedule()
  }

  #sweep(): void {
    const now = Date.now()
    for (const queue of this.#active) {
      queue.expire(now, () => expired(queue, this.#options.deadlineMs))
    }
    this.#tidy(this.#active)
    if (this.#active.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #tidy(queues: Iterable<PartitionQueue>): void {
    for (const queue of queues) if (queue.isEmpty) this.#active.delete(queue)
  }

  #inFlightAt(node: number): number {
    return this.#inFlight.get(node) ?? 0
  }
}

/** Removes from the list, and returns, as many queues as one request carries. */
function takeRequest(queues: PartitionQueue[]): PartitionQueue[] {
  let bytes = 0
  let count = 0
  do bytes += queues[count++]?.nextBytes ?? 0
  while (count < queues.length && bytes + (queues[count]?.nextBytes ?? 0) <= MAX_REQUEST_BYTES)
  return queues.splice(0, count)
}

function departing(queue: PartitionQueue, identity: ProducerIdentity): Departure {
  const { topic, partition } = queue
  return { topic, partition, batch: queue.depart(identity), queue }
}

function refused({ topic, partition }: PartitionQueue, { code, message }: ProduceAnswer): Error {
  const reason = message === null ? codeName(code) : `${codeName(code)}: ${message}`
  const hint =
    code === CODE.messageTooLarge ? ' (see max.message.bytes of the topic; 1 MiB by default)' : ''
  return new MillraceError(
    'FN_BROKER_APPEND_FAILED',
    `Kafka refused records for ${topic}/${partition}: ${reason}${hint}`,
    { detail: { kafkaCode: code } },
  )
}

function expired({ topic, partition }: PartitionQueue, deadlineMs: number): Error {
  return new MillraceError(
    'FN_BROKER_APPEND_FAILED',
    `Kafka did not confirm records for ${topic}/${partition} within ${deadlineMs} ms; they may or may not be in the log`,
  )
}

function asAppendFailure(error: unknown): Error {
  const known = settled(error)
  if (!isMillraceError(known, 'FN_BROKER_UNAVAILABLE')) return known
  return new MillraceError('FN_BROKER_APPEND_FAILED', known.message, { cause: known })
}
