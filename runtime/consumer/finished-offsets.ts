/**
 * How the finished offsets above the committed one are written into a commit's metadata: the lengths of
 * unfinished and finished runs in turn, from the committed offset on, as varints, compressed where that
 * makes them shorter, in Base64 because Kafka takes the metadata for text.
 */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'

/** Kafka refuses more than 4,096 bytes of metadata (`offset.metadata.max.bytes`); we stay below. */
export const MAX_METADATA_BYTES = 4_000

const PLAIN = 'm1:'
const COMPRESSED = 'z1:'
/** Shorter ones gain nothing from compression. */
const WORTH_COMPRESSING_BYTES = 96
const HUFFMAN = { strategy: constants.Z_HUFFMAN_ONLY }
/** Of Base64. */
const BITS_A_CHARACTER = 6
const CODE_TABLE_BYTES = 100
/** What inflates to more is damaged: no window has so many runs. */
const MAX_RUNS_BYTES = 1 << 20

/** `[from, to)` */
export type Range = readonly [from: number, to: number]

export interface Encoded {
  metadata: string
  /** Some ranges did not fit and are left out: after a crash those events run again. */
  truncated: boolean
}

/** `finished`: ascending, not touching each other, all above `from`. */
export function encodeFinished(from: number, finished: Iterable<Range>): Encoded {
  const runs: number[] = []
  let position = from
  for (const [start, end] of finished) {
    runs.push(start - position, end - start)
    position = end
  }
  let truncated = false
  for (;;) {
    const metadata = runs.length === 0 ? '' : textOf(runs)
    if (metadata.length <= MAX_METADATA_BYTES) return { metadata, truncated }
    truncated = true
    // Whole pairs, in proportion to what is too much.
    const share = (MAX_METADATA_BYTES / metadata.length) * 0.95
    runs.length = 2 * Math.floor((runs.length / 2) * share)
  }
}

/** What cannot be understood, another writer's or damaged, is none: those events run again. */
export function decodeFinished(from: number, metadata: string): Range[] {
  const runs = runsOf(metadata)
  const ranges: Range[] = []
  let position = from
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const start = position + (runs[i] as number)
    const end = start + (runs[i + 1] as number)
    if (!(end > start) || !Number.isSafeInteger(end)) return ranges
    ranges.push([start, end])
    position = end
  }
  return ranges
}

/** Which offsets a trigger has not finished, by what it committed. */
export function unfinishedAfter(committed: {
  offset: number
  metadata: string
}): (offset: number) => boolean {
  const finished = decodeFinished(committed.offset, committed.metadata)
  return (offset) =>
    offset >= committed.offset && !finished.some(([from, to]) => offset >= from && offset < to)
}

/**
 * What `encodeFinished` gives at most for any of the ways in which up to `unfinished` among `offsets`
 * offsets can still be unfinished: the entropy of that choice, more by what the code wastes. A test holds
 * the two to each other.
 */
export function mostMetadataBytes(offsets: number, unfinished: number): number {
  // From 0.4 on fewer unfinished ones, which are among the ways, take the most.
  const share = Math.min(unfinished / offsets, 0.4)
  const entropy = -share * Math.log2(share) - (1 - share) * Math.log2(1 - share)
  // Few unfinished ones have runs of two kinds, short and long, which share one code.
  const waste = 1.5 - 0.9 * share
  const bits = offsets * entropy * waste
  return bits / BITS_A_CHARACTER + CODE_TABLE_BYTES
}

function textOf(runs: readonly number[]): string {
  const bytes = varints(runs)
  if (bytes.length < WORTH_COMPRESSING_BYTES) return PLAIN + bytes.toString('base64')
  // What finishes in any order has no repetitions to be found, and looking for them takes long. A pattern
  // that does not fit without may have some.
  const short = COMPRESSED + deflateRawSync(bytes, HUFFMAN).toString('base64')
  if (short.length <= MAX_METADATA_BYTES) return short
  const repeating = COMPRESSED + deflateRawSync(bytes).toString('base64')
  return repeating.length < short.length ? repeating : short
}

function runsOf(metadata: string): number[] {
  const bytes = Buffer.from(metadata.slice(PLAIN.length), 'base64')
  if (metadata.startsWith(PLAIN)) return numbersOf(bytes)
  if (!metadata.startsWith(COMPRESSED)) return []
  try {
    return numbersOf(inflateRawSync(bytes, { maxOutputLength: MAX_RUNS_BYTES }))
  } catch {
    return [] // damaged: what it said runs again
  }
}

function varints(numbers: readonly number[]): Buffer {
  const bytes: number[] = []
  for (const number of numbers) {
    let rest = number
    while (rest > 0x7f) {
      bytes.push((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
  }
  return Buffer.from(bytes)
}

function numbersOf(bytes: Buffer): number[] {
  const numbers: number[] = []
  let number = 0
  let factor = 1
  for (const byte of bytes) {
    number += (byte & 0x7f) * factor
    if (byte > 0x7f) {
      factor *= 128
    } else {
      numbers.push(number)
      number = 0
      factor = 1
    }
  }
  return numbers
}
