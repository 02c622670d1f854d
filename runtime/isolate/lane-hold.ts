/**
 * Cuts work into frames of bounded size without letting a lane run in two frames at once: what follows
 * in a lane is held until the lane's part before it has its results, and given back if that failed.
 * Most work fits into one frame and is not looked at further.
 */
import type { WorkItem, WorkResult } from '../contract/work.ts'

const MAX_FRAME_BYTES = 1024 * 1024
const MAX_FRAME_ITEMS = 2_048

interface Held {
  /** Of the lane, sent and without a result. */
  ahead: number
  items: WorkItem[]
}

export class LaneHold {
  readonly #lanes = new Map<string, Held>()

  /** The frames that can be sent now; the rest is held. */
  cut(items: readonly WorkItem[]): WorkItem[][] {
    if (this.#lanes.size === 0 && fitsOneFrame(items)) return [items.slice()]
    const frames: WorkItem[][] = []
    const frameOf = new Map<string, number>()
    const counts = new Map<string, number>()
    let frame: WorkItem[] = []
    let bytes = 0
    for (const item of items) {
      const size = sizeOf(item)
      if (
        frame.length > 0 &&
        (bytes + size > MAX_FRAME_BYTES || frame.length === MAX_FRAME_ITEMS)
      ) {
        frames.push(frame)
        frame = []
        bytes = 0
      }
      const key = keyOf(item)
      const held = this.#lanes.get(key)
      const earlier = frameOf.get(key)
      if (held !== undefined) {
        held.items.push(item)
      } else if (earlier !== undefined && earlier < frames.length) {
        this.#lanes.set(key, { ahead: counts.get(key) ?? 0, items: [item] })
      } else {
        frameOf.set(key, frames.length)
        counts.set(key, (counts.get(key) ?? 0) + 1)
        frame.push(item)
        bytes += size
      }
    }
    if (frame.length > 0) frames.push(frame)
    return frames
  }

  /**
   * Hears of results. `release`: held items that may go now; `giveBack`: those whose lane must run again
   * from an earlier one on.
   */
  heard(
    results: readonly WorkResult[],
    items: readonly WorkItem[],
  ): { release: WorkItem[]; giveBack: WorkItem[] } {
    const release: WorkItem[] = []
    const giveBack: WorkItem[] = []
    if (this.#lanes.size === 0) return { release, giveBack }
    items.forEach((item, index) => {
      const key = keyOf(item)
      const held = this.#lanes.get(key)
      if (held === undefined) return
      held.ahead--
      const status = results[index]?.status
      if (status === 'failed' || status === 'again') {
        giveBack.push(...held.items)
        held.items = []
      }
      if (held.ahead > 0) return
      this.#lanes.delete(key)
      release.push(...held.items)
    })
    return { release, giveBack }
  }

  /** Gives all up. */
  clear(): WorkItem[] {
    const items = [...this.#lanes.values()].flatMap((held) => held.items)
    this.#lanes.clear()
    return items
  }
}

function fitsOneFrame(items: readonly WorkItem[]): boolean {
  if (items.length > MAX_FRAME_ITEMS) return false
  let bytes = 0
  for (const item of items) bytes += sizeOf(item)
  return bytes <= MAX_FRAME_BYTES
}

export function sizeOf(item: WorkItem): number {
  return (item.event.data?.bytes.length ?? 0) + 256
}

function keyOf(item: WorkItem): string {
  return `${item.lane} ${item.trigger}`
}
