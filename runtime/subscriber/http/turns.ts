/**
 * Which items may start: one of a lane at a time, in their order, and at most `concurrency` of a trigger.
 * Lanes take turns, so that a long one does not keep the others waiting.
 */
import type { WorkItem } from '../../contract/work.ts'

interface Lane {
  readonly id: number
  waiting: WorkItem[]
}

interface Trigger {
  lanes: Map<number, Lane>
  /** Lanes whose first item may start as soon as there is room. */
  ready: Lane[]
  /** Started, and not yet released. */
  running: number
}

export class Turns {
  readonly #triggers = new Map<string, Trigger>()

  add(item: WorkItem): void {
    const trigger = this.#triggerOf(item)
    const lane = trigger.lanes.get(item.lane)
    if (lane !== undefined) {
      lane.waiting.push(item)
      return
    }
    const fresh = { id: item.lane, waiting: [item] }
    trigger.lanes.set(fresh.id, fresh)
    trigger.ready.push(fresh)
  }

  /** Starts what may start. */
  next(): WorkItem[] {
    const items: WorkItem[] = []
    for (const trigger of this.#triggers.values()) {
      while (trigger.ready.length > 0) {
        const item = trigger.ready[0]?.waiting[0]
        if (item === undefined || trigger.running >= item.concurrency) break
        trigger.ready.shift()?.waiting.shift()
        trigger.running++
        items.push(item)
      }
    }
    return items
  }

  /** The lane goes on after `item`; if that failed, what waits behind it is given back. */
  ended(item: WorkItem, hasFailed: boolean): WorkItem[] {
    const trigger = this.#triggerOf(item)
    const lane = trigger.lanes.get(item.lane)
    if (lane === undefined) return []
    if (lane.waiting.length > 0 && !hasFailed) {
      trigger.ready.push(lane)
      return []
    }
    trigger.lanes.delete(lane.id)
    return lane.waiting
  }

  /** `item` takes no more room. Comes with or after `ended`. */
  released(item: WorkItem): void {
    const trigger = this.#triggerOf(item)
    trigger.running--
    if (trigger.running === 0 && trigger.lanes.size === 0) this.#triggers.delete(item.trigger)
  }

  /** Gives up what has not started. */
  clear(): WorkItem[] {
    const items: WorkItem[] = []
    for (const { lanes, ready } of this.#triggers.values()) {
      for (const lane of lanes.values()) items.push(...lane.waiting.splice(0))
      for (const lane of ready.splice(0)) lanes.delete(lane.id)
    }
    return items
  }

  #triggerOf(item: WorkItem): Trigger {
    const known = this.#triggers.get(item.trigger)
    if (known !== undefined) return known
    const fresh: Trigger = { lanes: new Map(), ready: [], running: 0 }
    this.#triggers.set(item.trigger, fresh)
    return fresh
  }
}
