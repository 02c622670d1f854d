/**
 * Frames on the socket between supervisor and worker:
 *
 *   u32 length of the rest · u32 length of the header · header (JSON, UTF-8) · payload (raw bytes)
 *
 * Numbers are big endian.
 */
const PREFIX_BYTES = 8
const NO_PAYLOAD = Buffer.alloc(0)

export interface Frame {
  header: unknown
  payload: Buffer
}

/** The other side sent what is no frame. It cannot be trusted any further. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame'
}

export function encodeFrame(header: object, payload: Buffer = NO_PAYLOAD): Buffer {
  const head = JSON.stringify(header)
  const headBytes = Buffer.byteLength(head)
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + headBytes + payload.length)
  writeFrameHead(frame, head, headBytes)
  frame.set(payload, PREFIX_BYTES + headBytes)
  return frame
}

/**
 * A frame whose payload the caller writes in place: `[frame, offset of the payload]`. Saves a copy of
 * what may be a megabyte.
 */
export function openFrame(
  header: object,
  payloadBytes: number,
): [frame: Buffer, payloadAt: number] {
  const head = JSON.stringify(header)
  const headBytes = Buffer.byteLength(head)
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + headBytes + payloadBytes)
  writeFrameHead(frame, head, headBytes)
  return [frame, PREFIX_BYTES + headBytes]
}

function writeFrameHead(frame: Buffer, head: string, headBytes: number): void {
  frame.writeUInt32BE(frame.length - 4, 0)
  frame.writeUInt32BE(headBytes, 4)
  frame.write(head, PREFIX_BYTES, 'utf8')
}

/** Cuts a byte stream into frames, however it was split. */
export class FrameReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0
  /** Bytes that the next step needs: first a length, then a frame. */
  #needed = 4

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Calls `take` for each frame that is complete. Throws `BadFrame`; use the reader no more then. */
  push(chunk: Buffer, take: (frame: Frame) => void): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes)
    while (buffer.length >= 4) {
      const length = buffer.readUInt32BE(0)
      if (length < 4 || length > this.#maxBytes) {
        throw new BadFrame(
          `a frame of ${length} bytes; between 4 and ${this.#maxBytes} are possible`,
        )
      }
      if (buffer.length < 4 + length) break
      take(readFrame(buffer.subarray(4, 4 + length)))
      buffer = buffer.subarray(4 + length)
    }
    this.#needed = buffer.length >= 4 ? 4 + buffer.readUInt32BE(0) : 4
    this.#chunks = buffer.length > 0 ? [buffer] : []
    this.#bytes = buffer.length
  }
}

function readFrame(body: Buffer): Frame {
  const headBytes = body.readUInt32BE(0)
  if (headBytes > body.length - 4) {
    throw new BadFrame(`a header of ${headBytes} bytes in a frame of ${body.length}`)
  }
  let header: unknown
  try {
    header = JSON.parse(body.toString('utf8', 4, 4 + headBytes))
  } catch (error) {
    throw new BadFrame('a frame whose header is no JSON', { cause: error })
  }
  return { header, payload: body.subarray(4 + headBytes) }
}
