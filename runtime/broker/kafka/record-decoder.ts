/**
 * Decodes record batches (Kafka documentation, "Message Format", magic 2) straight from the bytes of a
 * fetch, and leaves out what a reader of committed records must not see: markers, and the records of
 * aborted transactions.
 */
import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import type { LogRecord } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import type { AbortedTransaction } from './fetch-api.ts'
import { HeaderNames } from './header-names.ts'

const HEADER_BYTES = 61
/** Base offset and length, which the length does not count. */
const PREFIX_BYTES = 12
const MAGIC = 2
const COMPRESSION_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const ABORT_MARKER = 0

export interface Decoded {
  records: LogRecord[]
  /** Where to read on. */
  next: number
}

export interface DecodeOptions {
  /** Records below are skipped: a batch comes whole. */
  from: number
  /** Stops after the record that reaches it. */
  maxBytes: number
  aborted: readonly AbortedTransaction[]
}

const headerNames = new HeaderNames()

export function decodeRecords(bytes: Buffer, options: DecodeOptions): Decoded {
  const { from, maxBytes } = options
  const isAborted = abortedFilter(options.aborted)
  const into: Collected = { records: [], bytesLeft: maxBytes, next: from }
  let at = 0
  while (at + HEADER_BYTES <= bytes.length) {
    const end = at + PREFIX_BYTES + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break
    const batch = bytes.subarray(at, end)
    at = end
    const lastOffset = readOffset(batch, 0) + batch.readInt32BE(23)
    // Control batches are looked at even below `from`: they end aborted transactions.
    const skip = isAborted(batch, lastOffset) || lastOffset < from
    if (!skip && !decodeBatch(batch, from, into)) return into
    if (lastOffset >= from) into.next = lastOffset + 1
  }
  return into
}

interface Collected {
  records: LogRecord[]
  bytesLeft: number
  next: number
}

/**
 * Tells which batches hold nothing for a reader: control batches, and those of transactions that were
 * aborted. One producer may abort several times in one fetch, and the marker of an abort may come in a
 * later fetch, so each fetch starts from the broker's list anew.
 */
function abortedFilter(
  list: readonly AbortedTransaction[],
): (batch: Buffer, lastOffset: number) => boolean {
  const upcoming = list.toSorted((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<bigint>()
  return (batch, lastOffset) => {
    const attributes = batch.readInt16BE(21)
    if ((attributes & (TRANSACTIONAL | CONTROL)) === 0) return false
    while (upcoming[0] && upcoming[0].firstOffset <= lastOffset) {
      aborting.add((upcoming.shift() as AbortedTransaction).producerId)
    }
    const producerId = batch.readBigInt64BE(43)
    if ((attributes & CONTROL) !== 0) {
      if (markerType(batch) === ABORT_MARKER) aborting.delete(producerId)
      return true
    }
    return aborting.has(producerId)
  }
}

/** The key of the only record of a control batch: version and type, two bytes each. */
function markerType(batch: Buffer): number {
  let at = HEADER_BYTES
  // Length, attributes, timestamp delta, offset delta, key length.
  at = afterVarint(batch, at) + 1
  for (let i = 0; i < 3; i++) at = afterVarint(batch, at)
  return batch.readInt16BE(at + 2)
}

/** Adds the batch's records; false when it stopped because there are enough. */
function decodeBatch(batch: Buffer, from: number, into: Collected): boolean {
  if (batch[16] !== MAGIC) throw unreadable(batch, `message format ${batch[16]}, before Kafka 0.11`)
  const attributes = batch.readInt16BE(21)
  const isLogAppendTime = (attributes & LOG_APPEND_TIME) !== 0
  const cursor = new RecordCursor(recordBytes(batch, attributes & COMPRESSION_MASK))
  const baseOffset = readOffset(batch, 0)
  const baseTimestamp = readOffset(batch, isLogAppendTime ? 35 : 27)
  const count = batch.readInt32BE(57)
  for (let i = 0; i < count; i++) {
    const size = cursor.begin()
    const timestamp = cursor.varint()
    const offset = baseOffset + cursor.varint()
    if (offset < from) {
      cursor.skip()
      continue
    }
    if (into.bytesLeft <= 0) return false
    into.bytesLeft -= size
    into.next = offset + 1
    into.records.push({
      offset,
      timestamp: isLogAppendTime ? baseTimestamp : baseTimestamp + timestamp,
      key: cursor.bytes(),
      value: cursor.bytes(),
      headers: cursor.headers(),
    })
  }
  return true
}

function recordBytes(batch: Buffer, compression: number): Buffer {
  const bytes = batch.subarray(HEADER_BYTES)
  if (compression === 0) return bytes
  const algorithm = compressionsAlgorithmsByBitmask[String(compression)]
  if (!algorithm) throw unreadable(batch, `compression ${compression}, which is unknown`)
  return algorithm.decompressSync(bytes)
}

/** Walks over records; written for speed, since each field of each record passes here. */
class RecordCursor {
  readonly #buffer: Buffer
  #at = 0
  #end = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** Begins the next record and returns its size. */
  begin(): number {
    this.#at = this.#end
    const size = this.varint()
    this.#end = this.#at + size
    if (this.#end > this.#buffer.length) throw new RangeError('A record ends behind its batch')
    // Attributes: unused.
    this.#at++
    return size
  }

  skip(): void {
    this.#at = this.#end
  }

  /** Zigzag varint; exact for safe integers. */
  varint(): number {
    const buffer = this.#buffer
    let byte = buffer[this.#at++] as number
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 0x7f
    let shift = 7
    while (shift < 28) {
      byte = buffer[this.#at++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
      shift += 7
    }
    let factor = 2 ** 28
    for (;;) {
      byte = buffer[this.#at++] as number
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      factor *= 128
    }
  }

  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.#at
    this.#at += length
    return this.#buffer.subarray(start, this.#at)
  }

  headers(): LogRecord['headers'] {
    const count = this.varint()
    const headers: Array<readonly [Buffer, Buffer | null]> = []
    for (let i = 0; i < count; i++) {
      const length = this.varint()
      const name = headerNames.shared(this.#buffer, this.#at, length)
      this.#at += length
      headers.push([name, this.bytes()])
    }
    return headers
  }
}

function readOffset(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}

function afterVarint(buffer: Buffer, at: number): number {
  let position = at
  while ((buffer[position] as number) > 0x7f) position++
  return position + 1
}

function unreadable(batch: Buffer, reason: string): MillraceError {
  return new MillraceError(
    'FN_BROKER_REFUSED',
    `The batch at offset ${readOffset(batch, 0)} cannot be read: ${reason}`,
  )
}
