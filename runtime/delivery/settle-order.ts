/**
 * Output that is forwarded comes back one event at a time, in any order. Within a lane it settles in the
 * order of publishing all the same: an event must not end while one before it may have to run again.
 */
import type { Lane } from './lane.ts'
import type { Completion, Settled } from './outbox.ts'

interface Place {
  completion: Completion
  settled: Settled | undefined
}

export class SettleOrder {
  readonly #lanes = new Map<Lane, Place[]>()

  /** Its output is on the way. */
  enter(completion: Completion): void {
    const { lane } = completion.task
    const places = this.#lanes.get(lane)
    const place: Place = { completion, settled: undefined }
    if (places === undefined) this.#lanes.set(lane, [place])
    else places.push(place)
  }

  /** What may settle now that these are back: those themselves, and others that only waited for them. */
  back(settled: readonly Settled[]): Settled[] {
    const ready: Settled[] = []
    for (const each of settled) {
      const { lane } = each.completion.task
      const places = this.#lanes.get(lane)
      const place = places?.find(({ completion }) => completion === each.completion)
      if (places === undefined || place === undefined) {
        ready.push(each)
        continue
      }
      place.settled = each
      let count = 0
      for (let first = places[0]; first?.settled !== undefined; first = places[++count]) {
        ready.push(first.settled)
      }
      places.splice(0, count)
      if (places.length === 0) this.#lanes.delete(lane)
    }
    return ready
  }
}
