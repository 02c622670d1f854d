/** The records of one transaction as batches, in order for each partition. */
import type { AppendRecord, TopicPartition } from '../../contract/broker.ts'
import { partitionKey } from '../../contract/broker.ts'
import { BatchBuffers } from './batch-buffers.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS, sequenceAfter } from './partition-queue.ts'
import type { ProducePartition } from './produce-api.ts'
import { RecordEncoder, type ProducerIdentity } from './record-encoder.ts'

/** The records of one partition, by their indexes in the transaction. */
export interface PlacedRecords extends TopicPartition {
  indexes: number[]
}

/** With producer and sequence: every try sends the same bytes. */
export interface OutgoingBatch extends ProducePartition {
  indexes: readonly number[]
}

/** What one producer writes, with the sequence numbers that go on from transaction to transaction. */
export class TransactionBatches {
  readonly #producer: ProducerIdentity
  readonly #sequences = new Map<string, number>()
  readonly #buffers = new BatchBuffers(0)

  constructor(producer: ProducerIdentity) {
    this.#producer = producer
  }

  encode(
    records: readonly AppendRecord[],
    { topic, partition, indexes }: PlacedRecords,
  ): OutgoingBatch[] {
    const now = Date.now()
    const batches: OutgoingBatch[] = []
    const key = partitionKey({ topic, partition })
    let from = 0
    while (from < indexes.length) {
      const encoder = new RecordEncoder(this.#buffers, 0)
      let to = from
      while (to < indexes.length && to - from < MAX_BATCH_RECORDS) {
        const record = records[indexes[to] as number] as AppendRecord
        if (!encoder.add(record, now, MAX_BATCH_BYTES)) break
        to++
      }
      const sequence = this.#sequences.get(key) ?? 0
      const batch = encoder.finish(this.#producer, sequence)
      this.#sequences.set(key, sequenceAfter(sequence, encoder.count))
      batches.push({ topic, partition, batch, indexes: indexes.slice(from, to) })
      from = to
    }
    return batches
  }
}
