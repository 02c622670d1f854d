/** The records that wait for one partition, encoded as they come, in batches that go out one by one. */
import type { AppendRecord, TopicPartition } from '../../contract/broker.ts'
import type { AppendCall } from './append-call.ts'
import type { BatchBuffers } from './batch-buffers.ts'
import { RecordEncoder, type ProducerIdentity } from './record-encoder.ts'

/** A batch that any broker takes: `message.max.bytes` is 1,048,588 unless set. */
export const MAX_BATCH_BYTES = 1_000_000
export const MAX_BATCH_RECORDS = 10_000
const LARGEST_SEQUENCE = 0x7fffffff

interface Batch {
  encoder: RecordEncoder
  calls: AppendCall[]
  indexes: number[]
  /** When its records fail, milliseconds since the epoch. */
  deadline: number
}

interface TriedBatch extends Batch {
  /** With producer and sequence: every try sends the same bytes. */
  bytes: Buffer
  onTheWay: boolean
  /** Its records failed by their deadline while it was on its way. */
  expired: boolean
}

export class PartitionQueue implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** Somebody deals with the queue: a request, a pause before the next try, a search for the leader. */
  busy = false
  readonly #buffers: BatchBuffers
  /** The batch that was sent and is not settled; nothing overtakes it. */
  #tried: TriedBatch | undefined
  readonly #waiting: Batch[] = []
  #identity: ProducerIdentity | undefined
  #abandoned: ProducerIdentity | undefined
  #sequence = 0
  #failures = 0
  #expectedBytes = 0

  constructor({ topic, partition }: TopicPartition, buffers: BatchBuffers) {
    this.topic = topic
    this.partition = partition
    this.#buffers = buffers
  }

  get isEmpty(): boolean {
    return this.#tried === undefined && this.#waiting.length === 0
  }

  /** Whose sequence the next new batch goes on with; undefined when it needs a new one. */
  get identity(): ProducerIdentity | undefined {
    return this.#identity
  }

  /** The identity under which a batch failed: the partition must never use it again. */
  get abandoned(): ProducerIdentity | undefined {
    return this.#abandoned
  }

  /** Tries in a row that failed. */
  get failures(): number {
    return this.#failures
  }

  /** Bytes of the batch that is to be sent next. */
  get nextBytes(): number {
    return (this.#tried ?? this.#waiting[0])?.encoder.bytes ?? 0
  }

  add(record: AppendRecord, call: AppendCall, index: number, deadlineMs: number): void {
    const now = Date.now()
    let batch = this.#waiting.at(-1)
    const isFull = batch === undefined || batch.calls.length >= MAX_BATCH_RECORDS
    if (batch === undefined || isFull || !batch.encoder.add(record, now, MAX_BATCH_BYTES)) {
      const encoder = new RecordEncoder(this.#buffers, this.#expectedBytes)
      encoder.add(record, now, MAX_BATCH_BYTES)
      batch = { encoder, calls: [], indexes: [], deadline: now + deadlineMs }
      this.#waiting.push(batch)
    }
    batch.calls.push(call)
    batch.indexes.push(index)
  }

  /** The bytes to send now: those of the last try, or the next batch under `identity`. */
  depart(identity: ProducerIdentity): Buffer {
    this.#tried ??= this.#prepared(this.#waiting.shift() as Batch, identity)
    this.#tried.onTheWay = true
    return this.#tried.bytes
  }

  /** The batch on its way is durable from `offset` on. */
  succeeded(offset: number): void {
    const { calls, indexes, encoder } = this.#tried as TriedBatch
    const { topic, partition } = this
    for (let i = 0; i < calls.length; i++) {
      calls[i]?.settle(indexes[i] as number, { ok: true, topic, partition, offset: offset + i })
    }
    encoder.release()
    this.#tried = undefined
    this.#failures = 0
  }

  /** The batch on its way may be tried again. */
  returned(): void {
    const batch = this.#tried as TriedBatch
    batch.onTheWay = false
    this.#failures++
    if (batch.expired) this.#giveUp()
  }

  /** The next batch is refused, for ever. */
  failed(error: Error): void {
    const batch = this.#tried ?? this.#waiting.shift()
    if (batch) this.#fail(batch, error)
    this.#giveUp()
  }

  failAll(error: Error): void {
    while (!this.isEmpty) this.failed(error)
  }

  /** Fails the records whose deadline has passed. */
  expire(now: number, error: () => Error): void {
    const tried = this.#tried
    if (tried && !tried.expired && tried.deadline <= now) {
      this.#fail(tried, error())
      tried.expired = true
      // One on its way keeps its place until the answer: nothing may overtake it.
      if (!tried.onTheWay) this.#giveUp()
    }
    while (this.#waiting[0] && this.#waiting[0].deadline <= now) {
      this.#fail(this.#waiting.shift() as Batch, error())
    }
  }

  #prepared(batch: Batch, identity: ProducerIdentity): TriedBatch {
    if (this.#identity !== identity) {
      this.#identity = identity
      this.#sequence = 0
    }
    const bytes = batch.encoder.finish(identity, this.#sequence)
    this.#sequence = sequenceAfter(this.#sequence, batch.encoder.count)
    this.#expectedBytes = batch.encoder.bytes
    return { ...batch, bytes, onTheWay: false, expired: false }
  }

  /** The tried batch may or may not be in the log: its producer's sequence cannot be gone on with. */
  #giveUp(): void {
    this.#tried = undefined
    this.#failures = 0
    this.#abandoned = this.#identity ?? this.#abandoned
    this.#identity = undefined
  }

  #fail(batch: Batch, error: Error): void {
    // Once: the answer to a batch that has failed by its deadline comes here again.
    const calls = batch.calls.splice(0)
    for (let i = 0; i < calls.length; i++) {
      calls[i]?.settle(batch.indexes[i] as number, { ok: false, topic: this.topic, error })
    }
  }
}

/** As Kafka's `DefaultRecordBatch.incrementSequence`: from the largest on to zero. */
export function sequenceAfter(sequence: number, records: number): number {
  const next = sequence + records
  return next > LARGEST_SEQUENCE ? next - LARGEST_SEQUENCE - 1 : next
}
