/** When the cursors of one reader hold too much together, and which of them are to blame. */
import type { Cursor } from './cursor.ts'

/** Events that could run, of all cursors that read together: what waits longer costs more to hold. */
const MAX_CROWD_EVENTS = 4_000
/** In a crowd, who holds more than so many times the average is slower than the others; chance makes some. */
const SLOW_SHARE = 2
const SLOW_BY_EVENTS = 64
const SLOW_BY_BYTES = 64 * 1024
const STALLED_MS = 10_000
/** Once crowded, it stays so until half of the room is free. */
const RELIEF = 0.5

export interface CrowdLimits {
  /** Of all of them together. */
  maxBytes: number
  /** Who ends nothing for so long while others wait is to blame as well. Default 10,000. */
  stalledMs: number | undefined
}

export class Crowd {
  #since: number | undefined

  /** Undefined while they do not hold too much; else those that are far slower than the rest, if any. */
  slowOf(
    cursors: ReadonlySet<Cursor>,
    { maxBytes, stalledMs = STALLED_MS }: CrowdLimits,
  ): Cursor[] | undefined {
    let events = 0
    let bytes = 0
    for (const cursor of cursors) {
      events += cursor.runnable
      bytes += cursor.bufferedBytes
    }
    const share = this.#since === undefined ? 1 : RELIEF
    if (events < MAX_CROWD_EVENTS * share && bytes < maxBytes * share) {
      this.#since = undefined
      return undefined
    }
    const now = performance.now()
    this.#since ??= now
    const mostEvents = (events / cursors.size) * SLOW_SHARE + SLOW_BY_EVENTS
    const mostBytes = (bytes / cursors.size) * SLOW_SHARE + SLOW_BY_BYTES
    const stalledAt = now - this.#since > stalledMs ? now - stalledMs : 0
    return [...cursors].filter(
      (cursor) =>
        cursor.runnable > mostEvents ||
        cursor.bufferedBytes > mostBytes ||
        (cursor.runnable > 0 && cursor.movedAt < stalledAt),
    )
  }
}
