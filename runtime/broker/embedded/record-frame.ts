/**
 * Many records in one piece of memory, the form in which they cross between the threads: per record the
 * partition's id and the length of its blob (u32 each), offset and timestamp (f64 each), then the blob.
 * The blob is also what the database stores: key, value, count of headers, then name and value of each.
 * Lengths are LEB128 varints of length + 1, where 0 stands for null. All little-endian.
 */
import type { AppendRecord, Bytes, LogRecord } from '../../contract/broker.ts'

const ENTRY_HEADER_BYTES = 24
const MAX_VARINT_BYTES = 5
/** A text of so many UTF-16 units has at most 126 bytes of UTF-8: its length takes one byte. */
const SHORT_TEXT_UNITS = 42

export interface Frame {
  memory: ArrayBuffer
  /** How much of the memory is filled. */
  length: number
}

export class FrameWriter {
  #bytes: Buffer<ArrayBuffer>
  #view: DataView
  #length = 0

  constructor(capacityBytes: number) {
    const memory = new ArrayBuffer(capacityBytes)
    this.#bytes = Buffer.from(memory)
    this.#view = new DataView(memory)
  }

  get length(): number {
    return this.#length
  }

  finish(): Frame {
    const memory = this.#bytes.buffer
    const length = this.#length
    // A few records read must not hold on to much more memory than they fill.
    const isMostlyEmpty = length * 2 < memory.byteLength
    return { memory: isMostlyEmpty ? memory.slice(0, length) : memory, length }
  }

  writeRecord(partitionId: number, offset: number, record: AppendRecord, timestamp: number): void {
    const entry = this.#beginEntry(partitionId, offset, timestamp)
    this.#writeBytes(record.key)
    this.#writeBytes(record.value)
    this.#reserve(MAX_VARINT_BYTES)
    this.#writeVarint(record.headers.length)
    for (const [name, value] of record.headers) {
      this.#writeBytes(name)
      this.#writeBytes(value)
    }
    this.#endEntry(entry)
  }

  writeBlob(partitionId: number, offset: number, blob: Uint8Array, timestamp: number): void {
    const entry = this.#beginEntry(partitionId, offset, timestamp)
    this.#reserve(blob.length)
    this.#bytes.set(blob, this.#length)
    this.#length += blob.length
    this.#endEntry(entry)
  }

  #beginEntry(partitionId: number, offset: number, timestamp: number): number {
    this.#reserve(ENTRY_HEADER_BYTES)
    const entry = this.#length
    this.#view.setUint32(entry, partitionId, true)
    this.#view.setFloat64(entry + 8, offset, true)
    this.#view.setFloat64(entry + 16, timestamp, true)
    this.#length += ENTRY_HEADER_BYTES
    return entry
  }

  #endEntry(entry: number): void {
    this.#view.setUint32(entry + 4, this.#length - entry - ENTRY_HEADER_BYTES, true)
  }

  #writeBytes(bytes: Bytes | null): void {
    if (bytes === null) {
      this.#reserve(1)
      this.#bytes[this.#length++] = 0
    } else if (typeof bytes !== 'string') {
      this.#reserve(MAX_VARINT_BYTES + bytes.length)
      this.#writeVarint(bytes.length + 1)
      this.#bytes.set(bytes, this.#length)
      this.#length += bytes.length
    } else if (bytes.length <= SHORT_TEXT_UNITS) {
      this.#reserve(1 + bytes.length * 3)
      const written = this.#bytes.write(bytes, this.#length + 1)
      this.#bytes[this.#length] = written + 1
      this.#length += written + 1
    } else {
      const byteLength = Buffer.byteLength(bytes)
      this.#reserve(MAX_VARINT_BYTES + byteLength)
      this.#writeVarint(byteLength + 1)
      this.#length += this.#bytes.write(bytes, this.#length)
    }
  }

  #writeVarint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#length++] = rest
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    const memory = new ArrayBuffer(Math.max(needed, this.#bytes.length * 2))
    const larger = Buffer.from(memory)
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
    this.#view = new DataView(memory)
  }
}

export type EntryVisitor = (
  partitionId: number,
  offset: number,
  blob: Uint8Array,
  timestamp: number,
) => void

export function eachEntry(frame: Frame, visit: EntryVisitor): void {
  const view = new DataView(frame.memory)
  for (let entry = 0; entry < frame.length;) {
    const blobLength = view.getUint32(entry + 4, true)
    const blob = new Uint8Array(frame.memory, entry + ENTRY_HEADER_BYTES, blobLength)
    const offset = view.getFloat64(entry + 8, true)
    visit(view.getUint32(entry, true), offset, blob, view.getFloat64(entry + 16, true))
    entry += ENTRY_HEADER_BYTES + blobLength
  }
}

/** The frame's records. Their buffers are views of its memory. */
export function recordsOf(frame: Frame): LogRecord[] {
  const bytes = Buffer.from(frame.memory)
  const view = new DataView(frame.memory)
  const reader = new BlobReader(bytes)
  const records: LogRecord[] = []
  for (let entry = 0; entry < frame.length;) {
    reader.position = entry + ENTRY_HEADER_BYTES
    const end = reader.position + view.getUint32(entry + 4, true)
    const key = reader.bytes()
    const value = reader.bytes()
    const headers: Array<readonly [Buffer, Buffer | null]> = []
    for (let left = reader.varint(); left > 0; left--) headers.push([reader.name(), reader.bytes()])
    const offset = view.getFloat64(entry + 8, true)
    records.push({ offset, timestamp: view.getFloat64(entry + 16, true), key, value, headers })
    entry = end
  }
  return records
}

/** The key of a stored record, for compaction. */
export function keyOfBlob(blob: Uint8Array): Buffer | null {
  return new BlobReader(Buffer.from(blob.buffer, blob.byteOffset, blob.length)).bytes()
}

class BlobReader {
  position = 0
  readonly #from: Buffer

  constructor(from: Buffer) {
    this.#from = from
  }

  bytes(): Buffer | null {
    const length = this.varint() - 1
    if (length < 0) return null
    const start = this.position
    this.position += length
    return this.#from.subarray(start, this.position)
  }

  name(): Buffer {
    const name = this.bytes()
    if (name === null) throw new Error(`A record of the embedded log is damaged: a nameless header`)
    return name
  }

  varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#from[this.position++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
}
