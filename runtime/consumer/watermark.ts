/**
 * Progress of one trigger in one partition.
 *
 * The committed offset is the lowest unfinished one. What is finished above it is written into the
 * commit's metadata, so that after a crash only unfinished events run again.
 *
 * Only unfinished offsets are held: everything else below `next` is finished, whether it was handled,
 * did not match the filter, or holds no record at all (transaction markers, compaction).
 */

/** Kafka refuses more than 4,096 bytes of metadata (`offset.metadata.max.bytes`); we stay below. */
const MAX_METADATA_BYTES = 4_000
const METADATA_VERSION = 'm1:'

export interface Progress {
  /** Next offset to be processed, as Kafka counts. */
  offset: number
  metadata: string
}

export class Watermark {
  #next: number
  /** Insertion order is offset order, because events begin in the order of the log. */
  readonly #unfinished = new Set<number>()
  /** What a former run finished above the committed offset: `[from, to)`, ascending. */
  readonly #finishedBefore: Array<[from: number, to: number]>

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

  progress(): Progress {
    const unfinished = [...this.#unfinished]
    const offset = unfinished[0] ?? this.#next
    const finishedBefore = this.#finishedBefore.filter(([, to]) => to > this.#next)
    return { offset, metadata: encodeFinished(offset, this.#next, unfinished, finishedBefore) }
  }
}

/**
 * Run lengths from the committed offset on, alternating unfinished and finished, in base 36. Runs that
 * do not fit are left out: those events run again after a crash, none is lost.
 */
function encodeFinished(
  from: number,
  next: number,
  unfinished: readonly number[],
  finishedBefore: ReadonlyArray<readonly [number, number]>,
): string {
  if (unfinished.length === 0 && finishedBefore.length === 0) return ''
  const runs: number[] = []
  let position = from
  let text = METADATA_VERSION
  const finishedUpTo = (to: number, resume: number): boolean => {
    // `position..to` is unfinished, `to..resume` is finished.
    const run = `${(to - position).toString(36)},${(resume - to).toString(36)},`
    if (text.length + run.length > MAX_METADATA_BYTES) return false
    text += run
    runs.push(to - position, resume - to)
    position = resume
    return true
  }
  for (const [start, end] of finishedRanges(next, unfinished, finishedBefore)) {
    if (!finishedUpTo(start, end)) break
  }
  return runs.length === 0 ? '' : text
}

function* finishedRanges(
  next: number,
  unfinished: readonly number[],
  finishedBefore: ReadonlyArray<readonly [number, number]>,
): Generator<[number, number]> {
  for (let i = 0; i < unfinished.length; i++) {
    const start = (unfinished[i] as number) + 1
    const end = unfinished[i + 1] ?? next
    if (end > start) yield [start, end]
  }
  for (const [from, to] of finishedBefore) yield [Math.max(from, next), to]
}

function decodeFinished(offset: number, metadata: string): Array<[number, number]> {
  if (!metadata.startsWith(METADATA_VERSION)) return [] // another writer's, or none
  const ranges: Array<[number, number]> = []
  const runs = metadata.slice(METADATA_VERSION.length).split(',')
  let position = offset
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const skip = Number.parseInt(runs[i] as string, 36)
    const length = Number.parseInt(runs[i + 1] as string, 36)
    if (!(skip >= 0 && length > 0)) return ranges // damaged: what follows runs again
    ranges.push([position + skip, position + skip + length])
    position += skip + length
  }
  return ranges
}
