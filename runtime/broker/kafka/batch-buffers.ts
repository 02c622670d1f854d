/** Buffers for record batches, used again: fresh megabytes for every send cost page faults. */
const SMALLEST_BYTES = 16 * 1024

export class BatchBuffers {
  readonly #free = new Map<number, Buffer[]>()
  readonly #keepBytes: number
  #keptBytes = 0

  /** `keepBytes`: how much lies ready at most. */
  constructor(keepBytes = 16 * 1024 * 1024) {
    this.#keepBytes = keepBytes
  }

  /** A buffer of at least this many bytes. */
  take(bytes: number): Buffer {
    const size = sizeClass(bytes)
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#keptBytes -= size
    return buffer
  }

  /** Gives a buffer of `take` back; nobody may hold it any more. */
  give(buffer: Buffer): void {
    if (this.#keptBytes + buffer.length > this.#keepBytes) return
    this.#keptBytes += buffer.length
    const free = this.#free.get(buffer.length)
    if (free) free.push(buffer)
    else this.#free.set(buffer.length, [buffer])
  }
}

function sizeClass(bytes: number): number {
  let size = SMALLEST_BYTES
  while (size < bytes) size *= 2
  return size
}
