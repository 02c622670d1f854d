/**
 * What a lane does between two runs: nothing while it is empty, wait while a retry does, or stand in
 * line for the function; and whether it waits within a run, for a retry of what was made of that.
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
    const { lane } = task
    lane.queue.push(task)
    if (lane.waitsBeyond > 0) return waits(task)
    if (lane.running > 0) return
    if (lane.notBefore > 0 || lane.onHold) waits(task)
    else if (lane.queue.length === 1) this.#ready(lane)
  }

  /** The event runs once more, before those of its lane that have not run. */
  runAgain(task: Task): void {
    task.lane.again.push(task)
    this.#leave(task)
  }

  /** An event of the lane's run has ended. */
  over(task: Task): void {
    task.over = true
    goesOn(task)
    this.#leave(task)
  }

  /** Something that was made of an event of the lane's run begins to wait, or goes on. */
  waitsBeyond({ lane, channel }: Task, waiting: boolean): void {
    lane.waitsBeyond += waiting ? 1 : -1
    if (waiting && lane.waitsBeyond === 1) {
      for (const task of lane.unfinished()) waits(task)
      channel.onWaiting()
    } else if (lane.waitsBeyond === 0) {
      for (const task of lane.unfinished()) goesOn(task)
    }
  }

  /** The lane stands out of line until it is released. */
  hold(lane: Lane): void {
    if (lane.onHold) return
    lane.onHold = true
    for (const task of lane.queue) waits(task)
    lane.queue[0]?.channel.onWaiting()
  }

  release(lane: Lane): void {
    if (!lane.onHold) return
    lane.onHold = false
    for (const task of lane.queue) goesOn(task)
    if (lane.queue.length > 0) this.#ready(lane)
  }

  /** What waits of the channel is forgotten; lanes that it shares go on with what else they have. */
  close(channel: Channel): void {
    for (const lane of channel.lanes.values()) {
      lane.drop(channel)
      if (lane.queue.length > 0 || lane.running > 0) continue
      lane.cancelWait?.()
      forget(lane, channel)
    }
    for (const cancel of channel.waits) cancel()
  }

  /** The last one ends the run. */
  #leave({ lane, channel }: Task): void {
    lane.running--
    if (lane.running > 0) return
    lane.endRun()
    if (lane.queue.length === 0) return forget(lane, channel)
    const waitMs = lane.notBefore - Date.now()
    if (waitMs > 0) return this.#wait(lane, channel, waitMs)
    lane.notBefore = 0
    this.#ready(lane)
  }

  #wait(lane: Lane, channel: Channel, waitMs: number): void {
    for (const task of lane.queue) waits(task)
    const cancel = after(waitMs, () => {
      lane.cancelWait = undefined
      channel.waits.delete(cancel)
      for (const task of lane.queue) goesOn(task)
      lane.notBefore = 0
      this.#ready(lane)
    })
    lane.cancelWait = cancel
    if (lane.key === undefined) channel.waits.add(cancel)
    channel.onWaiting()
  }
}

function waits(task: Task): void {
  if (task.waits) return
  task.waits = true
  ownCopy(task)
  const { channel, record } = task
  channel.waiting++
  channel.onWaits?.(record, true)
}

function goesOn(task: Task): void {
  if (!task.waits) return
  task.waits = false
  const { channel, record } = task
  channel.waiting--
  channel.onWaits?.(record, false)
}

function forget(lane: Lane, { lanes }: Channel): void {
  if (lane.key !== undefined && lanes.get(lane.key) === lane) lanes.delete(lane.key)
}
