/**
 * Which partition a record goes to, exactly as Kafka's Java producer decides for a keyed record
 * (`org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`), so that Knative's producers and
 * ours send one key to one partition.
 */
import type { Bytes } from '../contract/broker.ts'
import { MillraceError } from '../errors.ts'

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/** Strings up to a third of this length are encoded here instead of in a buffer of their own. */
const SCRATCH_BYTES = 4096
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/**
 * The partition, 0 to `partitions - 1`: the hash of the bytes (strings as UTF-8), or the number as it
 * is. Throws `FN_BROKER_UNKNOWN_TOPIC` for a number that is no partition.
 */
export function partitionOf(by: Bytes | number, partitions: number): number {
  if (typeof by === 'number') {
    if (Number.isInteger(by) && by >= 0 && by < partitions) return by
    throw new MillraceError(
      'FN_BROKER_UNKNOWN_TOPIC',
      `There is no partition ${by}: the topic has ${partitions}, numbered from 0`,
    )
  }
  const hash = typeof by === 'string' ? murmur2OfText(by) : murmur2(by, by.length)
  return (hash & 0x7fffffff) % partitions
}

function murmur2OfText(text: string): number {
  if (text.length * 3 > SCRATCH_BYTES) {
    const bytes = Buffer.from(text)
    return murmur2(bytes, bytes.length)
  }
  return murmur2(scratch, encode(text))
}

/** Writes the text into the scratch buffer; by hand while it is ASCII, which beats the call for keys. */
function encode(text: string): number {
  const length = text.length
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return scratch.write(text)
    scratch[i] = unit
  }
  return length
}

/** Kafka's murmur2 over the first `length` bytes, as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array, length: number): number {
  let hash = SEED ^ length
  const tail = length & ~3
  for (let i = 0; i < tail; i += 4) {
    let word =
      byteAt(bytes, i) |
      (byteAt(bytes, i + 1) << 8) |
      (byteAt(bytes, i + 2) << 16) |
      (byteAt(bytes, i + 3) << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const rest = length & 3
  if (rest > 2) hash ^= byteAt(bytes, tail + 2) << 16
  if (rest > 1) hash ^= byteAt(bytes, tail + 1) << 8
  if (rest > 0) hash = Math.imul(hash ^ byteAt(bytes, tail), MULTIPLIER)
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}
