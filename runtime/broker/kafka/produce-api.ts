/**
 * The Produce request (version 9) with record batches that are encoded already, and an answer for each
 * partition by itself instead of one error for all.
 */
import { Writer, createAPI, type Reader } from '@platformatic/kafka'

export interface ProducePartition {
  topic: string
  partition: number
  batch: Buffer
}

export interface ProduceAnswer {
  topic: string
  partition: number
  code: number
  message: string | null
  offset: number
}

const PRODUCE = 0
const VERSION = 9
const ALL_REPLICAS = -1

function createRequest(
  partitions: ProducePartition[],
  timeoutMs: number,
  transactionalId: string | null = null,
): Writer {
  const topics = Map.groupBy(partitions, (each) => each.topic)
  return Writer.create()
    .appendString(transactionalId)
    .appendInt16(ALL_REPLICAS)
    .appendInt32(timeoutMs)
    .appendArray([...topics], (writer, [topic, each]) => {
      writer.appendString(topic).appendArray(each, (w, { partition, batch }) => {
        w.appendInt32(partition)
          .appendUnsignedVarInt(batch.length + 1)
          .append(batch)
      })
    })
    .appendTaggedFields()
}

function parseResponse(
  _correlationId: number,
  _apiKey: number,
  _apiVersion: number,
  reader: Reader,
): ProduceAnswer[] {
  const answers: ProduceAnswer[] = []
  reader.readArray((r) => {
    const topic = r.readString()
    r.readArray((p) => {
      const partition = p.readInt32()
      const code = p.readInt16()
      const offset = Number(p.readInt64())
      // Log append time, log start offset.
      p.skip(16)
      let recordMessage: string | null = null
      p.readArray((e) => {
        e.readInt32()
        recordMessage ??= e.readNullableString()
      })
      const message = p.readNullableString() ?? recordMessage
      answers.push({ topic, partition, code, message, offset })
    })
  })
  reader.readInt32()
  return answers
}

export const produceApi = createAPI<
  [partitions: ProducePartition[], timeoutMs: number, transactionalId?: string | null],
  ProduceAnswer[]
>(PRODUCE, VERSION, createRequest, parseResponse)
