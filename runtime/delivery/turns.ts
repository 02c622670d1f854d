/**
 * What a lane does between two runs: nothing while it is empty, wait while a retry does, or stand in
 * line for the function.
 */
import { ownCopy, type Channel, type Lane, type Task } from './lane.ts'
import { after } from './timer.ts'

export class Turns {
  readonly #ready: (lane: Lane) => void

  /** `ready`: the lane stands in line. */
  constructor(ready: (lane: Lane) => void) {
    this.#ready = ready
  }

  /** A new event of its lane. */
  add(task: Task): void {
    const { lane, channel } = task
    lane.queue.push(task)
    if (lane.running > 0) return
    if (lane.notBefore > 0) {
      ownCopy(task)
      channel.waiting++
    } else if (lane.queue.length === 1) {
      this.#ready(lane)
    }
  }

  /** The event runs once more, before those of its lane that have not run. */
  runAgain(task: Task): void {
    task.lane.again.push(task)
    this.over(task)
  }

  /** An event of the lane's run has ended or runs again; the last one ends the run. */
  over(task: Task): void {
    const { lane, channel } = task
    lane.running--
    if (lane.running > 0) return
    if (channel.closed) return
    lane.endRun()
    if (lane.queue.length === 0) {
      if (lane.key !== undefined) channel.lanes.delete(lane.key)
      return
    }
    const waitMs = lane.notBefore - Date.now()
    if (waitMs > 0) return this.#wait(lane, channel, waitMs)
    lane.notBefore = 0
    this.#ready(lane)
  }

  #wait(lane: Lane, channel: Channel, waitMs: number): void {
    for (const task of lane.queue) ownCopy(task)
    channel.waiting += lane.queue.length
    const cancel = after(waitMs, () => {
      channel.waits.delete(cancel)
      channel.waiting -= lane.queue.length
      lane.notBefore = 0
      this.#ready(lane)
    })
    channel.waits.add(cancel)
    channel.onWaiting()
  }
}
