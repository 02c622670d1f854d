/**
 * Encodes records into one record batch (Kafka documentation, "Message Format", magic 2), straight into
 * one buffer: the library's own encoder costs several times as much per record.
 */
import { Writer, crc32c } from '@platformatic/kafka'
import type { AppendRecord, Bytes } from '../../contract/broker.ts'
import type { BatchBuffers } from './batch-buffers.ts'

const HEADER_BYTES = 61
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const MAGIC = 2
/** No varint of a length or a time is longer. */
const VARINT_BYTES = 9
/** Up to here a loop over the characters beats the call into Node. */
const SHORT_TEXT = 32
const LONG_TEXT = 1024

const TRANSACTIONAL = 0x10

export interface ProducerIdentity {
  id: bigint
  epoch: number
  /** Its records count only once their transaction is committed. Default false. */
  transactional?: boolean
}

export class RecordEncoder {
  readonly #buffers: BatchBuffers
  #buffer: Buffer
  #position = HEADER_BYTES
  #count = 0
  #firstTimestamp = 0
  #maxTimestamp = 0

  constructor(buffers: BatchBuffers, expectedBytes: number) {
    this.#buffers = buffers
    this.#buffer = buffers.take(expectedBytes)
  }

  get bytes(): number {
    return this.#position
  }

  get count(): number {
    return this.#count
  }

  /**
   * Adds the record unless the batch would then be larger than `maxBytes`; the first record always
   * goes in. `now` is its timestamp unless it has one.
   */
  add(record: AppendRecord, now: number, maxBytes: number): boolean {
    const timestamp = record.timestamp ?? now
    if (this.#count === 0) {
      this.#firstTimestamp = timestamp
      this.#maxTimestamp = timestamp
    }
    const start = this.#position
    this.#reserve(largestSize(record))
    const end = this.#encode(record, timestamp - this.#firstTimestamp)
    if (this.#count > 0 && end > maxBytes) {
      this.#position = start
      return false
    }
    this.#position = end
    this.#count++
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    return true
  }

  /** The whole batch; the encoder takes no more records. */
  finish(producer: ProducerIdentity, sequence: number): Buffer {
    const batch = this.#buffer.subarray(0, this.#position)
    batch.writeBigInt64BE(0n, 0)
    batch.writeInt32BE(this.#position - 12, 8)
    batch.writeInt32BE(-1, 12)
    batch[16] = MAGIC
    batch.writeInt16BE(producer.transactional === true ? TRANSACTIONAL : 0, ATTRIBUTES_AT)
    batch.writeInt32BE(this.#count - 1, 23)
    batch.writeBigInt64BE(BigInt(this.#firstTimestamp), 27)
    batch.writeBigInt64BE(BigInt(this.#maxTimestamp), 35)
    batch.writeBigInt64BE(producer.id, 43)
    batch.writeInt16BE(producer.epoch, 51)
    batch.writeInt32BE(sequence, 53)
    batch.writeInt32BE(this.#count, 57)
    // Behind a writer, because the library copies a bare buffer before it sums.
    const summed = Writer.create().append(batch.subarray(ATTRIBUTES_AT)).dynamicBuffer
    batch.writeUInt32BE(crc32c(summed) >>> 0, CRC_AT)
    return batch
  }

  /** Gives the buffer back, once nobody will send it again. */
  release(): void {
    this.#buffers.give(this.#buffer)
  }

  #encode(record: AppendRecord, timestampDelta: number): number {
    const buffer = this.#buffer
    // The length stands before the body and is known after it; its width is guessed and mended.
    const lengthAt = this.#position
    const guessed = varintBytes(leastSize(record))
    let at = lengthAt + guessed
    buffer[at++] = 0
    at = writeVarint(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, this.#count)
    at = writeBytes(buffer, at, record.key)
    at = writeBytes(buffer, at, record.value)
    const headers = record.headers
    at = writeVarint(buffer, at, headers.length)
    for (let i = 0; i < headers.length; i++) {
      const header = headers[i] as readonly [Bytes, Bytes | null]
      at = writeBytes(buffer, at, header[0])
      at = writeBytes(buffer, at, header[1])
    }
    const length = at - lengthAt - guessed
    const needed = varintBytes(length)
    if (needed !== guessed) {
      buffer.copyWithin(lengthAt + needed, lengthAt + guessed, at)
      at += needed - guessed
    }
    writeVarint(buffer, lengthAt, length)
    return at
  }

  #reserve(bytes: number): void {
    const needed = this.#position + bytes
    if (needed <= this.#buffer.length) return
    const larger = this.#buffers.take(needed)
    this.#buffer.copy(larger, 0, 0, this.#position)
    this.#buffers.give(this.#buffer)
    this.#buffer = larger
  }
}

function leastSize({ key, value, headers }: AppendRecord): number {
  let size = 6 + (key?.length ?? 0) + (value?.length ?? 0)
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [Bytes, Bytes | null]
    size += 2 + header[0].length + (header[1]?.length ?? 0)
  }
  return size
}

function largestSize({ key, value, headers }: AppendRecord): number {
  let size = 4 * VARINT_BYTES + largestField(key) + largestField(value)
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [Bytes, Bytes | null]
    size += largestField(header[0]) + largestField(header[1])
  }
  return size
}

function largestField(field: Bytes | null): number {
  if (field === null) return VARINT_BYTES
  if (typeof field !== 'string') return VARINT_BYTES + field.length
  // Three bytes of UTF-8 a UTF-16 unit at most; worth counting only where that is much.
  return VARINT_BYTES + (field.length > LONG_TEXT ? Buffer.byteLength(field) : field.length * 3)
}

/** A length as varint and the bytes; -1 and nothing for null. */
function writeBytes(buffer: Buffer, at: number, field: Bytes | null): number {
  if (field === null) return writeVarint(buffer, at, -1)
  if (typeof field === 'string') return writeText(buffer, at, field)
  const start = writeVarint(buffer, at, field.length)
  buffer.set(field, start)
  return start + field.length
}

function writeText(buffer: Buffer, at: number, text: string): number {
  const guessed = varintBytes(text.length)
  const start = at + guessed
  const length = writeUtf8(buffer, start, text)
  const needed = varintBytes(length)
  if (needed !== guessed) buffer.copyWithin(at + needed, start, start + length)
  writeVarint(buffer, at, length)
  return at + needed + length
}

function writeUtf8(buffer: Buffer, at: number, text: string): number {
  const length = text.length
  if (length > SHORT_TEXT) return buffer.write(text, at, 'utf8')
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return buffer.write(text, at, 'utf8')
    buffer[at + i] = unit
  }
  return length
}

/** Bytes that the zigzag varint of a length takes. */
function varintBytes(length: number): number {
  if (length < 0x40) return 1
  if (length < 0x2000) return 2
  if (length < 0x100000) return 3
  return length < 0x8000000 ? 4 : 5
}

/** Zigzag varint of any safe integer. */
function writeVarint(buffer: Buffer, at: number, value: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  let position = at
  while (rest > 0x7fffffff) {
    buffer[position++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  while (rest > 0x7f) {
    buffer[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[position++] = rest
  return position
}
