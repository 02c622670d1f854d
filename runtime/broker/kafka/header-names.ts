/**
 * One buffer for each header name that comes again and again: records name the same few headers, and a
 * view on each of their names would cost more than the rest of the decoding.
 */
const LONGEST_SHARED_BYTES = 64
const SLOTS = 1024

export class HeaderNames {
  readonly #slots: Array<Buffer | undefined> = Array.from({ length: SLOTS })

  /**
   * The name that lies at `at`. Names of up to 64 bytes come as one shared buffer, copied from the
   * source once: do not write to it.
   */
  shared(source: Buffer, at: number, length: number): Buffer {
    if (length > LONGEST_SHARED_BYTES || length === 0) return source.subarray(at, at + length)
    let hash = length
    for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + (source[at + i] as number)) | 0
    const slot = hash & (SLOTS - 1)
    const known = this.#slots[slot]
    if (known !== undefined && isAt(source, at, known, length)) return known
    // A newcomer takes the place over, so that strange names cannot fill the table for good.
    const name = Buffer.from(source.subarray(at, at + length))
    this.#slots[slot] = name
    return name
  }
}

function isAt(source: Buffer, at: number, name: Buffer, length: number): boolean {
  if (name.length !== length) return false
  for (let i = 0; i < length; i++) if (source[at + i] !== name[i]) return false
  return true
}
