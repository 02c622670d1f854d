/**
 * The Fetch request (version 12, without a fetch session) with the records of each partition as bytes,
 * and an answer for each partition by itself.
 */
import { Writer, createAPI, type Reader } from '@platformatic/kafka'

export interface FetchPartition {
  topic: string
  partition: number
  from: number
  maxBytes: number
}

export interface AbortedTransaction {
  producerId: bigint
  firstOffset: number
}

export interface FetchAnswer {
  topic: string
  partition: number
  code: number
  /** One past the last record that is committed, and not part of an open transaction. */
  lastStableOffset: number
  logStartOffset: number
  aborted: AbortedTransaction[]
  /** Record batches; the last one may be cut. */
  records: Buffer
}

export interface FetchResponse {
  code: number
  partitions: FetchAnswer[]
}

const FETCH = 1
const VERSION = 12
const READ_COMMITTED = 1
const NO_REPLICA = -1
const NO_SESSION = 0
const NO_SESSION_EPOCH = -1
const UNKNOWN = -1
const EMPTY = Buffer.alloc(0)

function createRequest(partitions: FetchPartition[], maxWaitMs: number): Writer {
  const maxBytes = partitions.reduce((sum, each) => sum + each.maxBytes, 0)
  const topics = Map.groupBy(partitions, (each) => each.topic)
  return Writer.create()
    .appendInt32(NO_REPLICA)
    .appendInt32(maxWaitMs)
    .appendInt32(1)
    .appendInt32(Math.min(maxBytes, 0x7fffffff))
    .appendInt8(READ_COMMITTED)
    .appendInt32(NO_SESSION)
    .appendInt32(NO_SESSION_EPOCH)
    .appendArray([...topics], (writer, [topic, each]) => {
      writer.appendString(topic).appendArray(each, (w, partition) => {
        w.appendInt32(partition.partition)
          .appendInt32(UNKNOWN)
          .appendInt64(BigInt(partition.from))
          .appendInt32(UNKNOWN)
          .appendInt64(BigInt(UNKNOWN))
          .appendInt32(partition.maxBytes)
      })
    })
    .appendArray([], () => {})
    .appendString('')
    .appendTaggedFields()
}

function parseResponse(
  _correlationId: number,
  _apiKey: number,
  _apiVersion: number,
  reader: Reader,
): FetchResponse {
  reader.readInt32()
  const code = reader.readInt16()
  reader.readInt32()
  const partitions: FetchAnswer[] = []
  reader.readArray((r) => {
    const topic = r.readString()
    r.readArray((p) => {
      partitions.push(parsePartition(topic, p))
    })
  })
  return { code, partitions }
}

function parsePartition(topic: string, reader: Reader): FetchAnswer {
  const partition = reader.readInt32()
  const code = reader.readInt16()
  reader.skip(8)
  const lastStableOffset = Number(reader.readInt64())
  const logStartOffset = Number(reader.readInt64())
  const aborted = reader.readNullableArray((r) => ({
    producerId: r.readInt64(),
    firstOffset: Number(r.readInt64()),
  }))
  // Preferred read replica.
  reader.skip(4)
  const records = reader.readNullableBytes() ?? EMPTY
  return {
    topic,
    partition,
    code,
    lastStableOffset,
    logStartOffset,
    aborted: aborted ?? [],
    records,
  }
}

export const fetchApi = createAPI<[FetchPartition[], number], FetchResponse>(
  FETCH,
  VERSION,
  createRequest,
  parseResponse,
)
