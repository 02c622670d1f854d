/**
 * Progress of one trigger in one partition.
 *
 * The committed offset is the lowest unfinished one. What is finished above it is written into the
 * commit's metadata, so that after a crash only unfinished events run again.
 *
 * Only unfinished offsets are held: everything else below `next` is finished, whether it was handled,
 * did not match the filter, or holds no record at all (transaction markers, compaction).
 */
import {
  decodeFinished,
  encodeFinished,
  MAX_METADATA_BYTES,
  mostMetadataBytes,
  type Range,
} from './finished-offsets.ts'

export interface Progress {
  /** Next offset to be processed, as Kafka counts. */
  offset: number
  metadata: string
}

/** So many records may come between two looks at `isFull`. */
export const MAX_STEP_RECORDS = 1_000

export class Watermark {
  #next: number
  /** Insertion order is offset order, because events begin in the order of the log. */
  readonly #unfinished = new Set<number>()
  /** What a former run finished above the committed offset, ascending. */
  readonly #finishedBefore: Range[]

  /** Goes on from what `progress()` gave before, or from a bare offset. */
  constructor(from: Progress) {
    this.#next = from.offset
    this.#finishedBefore = decodeFinished(from.offset, from.metadata)
  }

  /** Everything below has been seen. */
  get next(): number {
    return this.#next
  }

  get unfinished(): number {
    return this.#unfinished.size
  }

  /** One past the last offset that a former run has finished; 0 when there is none above `next`. */
  get finishedBeforeEnd(): number {
    return this.#finishedBefore.at(-1)?.[1] ?? 0
  }

  /** True when a former run has finished this offset already. */
  wasFinished(offset: number): boolean {
    while (this.#finishedBefore[0] && this.#finishedBefore[0][1] <= offset) {
      this.#finishedBefore.shift()
    }
    const range = this.#finishedBefore[0]
    return range !== undefined && offset >= range[0]
  }

  begin(offset: number): void {
    this.#unfinished.add(offset)
  }

  finish(offset: number): void {
    this.#unfinished.delete(offset)
  }

  /** The log has been read up to here. */
  advance(next: number): void {
    if (next > this.#next) this.#next = next
  }

  /**
   * Whether no more may be read: `maxOffsets` lie between the lowest unfinished offset and the next one,
   * or what is read could finish in such an order that a commit's metadata cannot hold it. `share`: of
   * both, for whoever goes on only when there is more room than for one step.
   */
  isFull(maxOffsets: number, share = 1): boolean {
    const [lowest] = this.#unfinished
    if (lowest === undefined) return false
    const offsets = this.#next - lowest
    if (offsets >= maxOffsets * share) return true
    const most = mostMetadataBytes(
      offsets + MAX_STEP_RECORDS,
      this.#unfinished.size + MAX_STEP_RECORDS,
    )
    return most > MAX_METADATA_BYTES * share
  }

  /** Where it would stand if `finished`, too, were finished; for a commit that makes them so. */
  progress(finished?: ReadonlySet<number>): Progress & { truncated: boolean } {
    const unfinished: number[] = []
    for (const offset of this.#unfinished) if (!finished?.has(offset)) unfinished.push(offset)
    const offset = unfinished[0] ?? this.#next
    const above = finishedRanges(unfinished, this.#next, this.#finishedBefore)
    return { offset, ...encodeFinished(offset, above) }
  }
}

function* finishedRanges(
  unfinished: readonly number[],
  next: number,
  finishedBefore: readonly Range[],
): Generator<Range> {
  for (let i = 0; i < unfinished.length; i++) {
    const start = (unfinished[i] as number) + 1
    const end = unfinished[i + 1] ?? next
    if (end > start) yield [start, end]
  }
  for (const [from, to] of finishedBefore) if (to > next) yield [Math.max(from, next), to]
}
