/**
 * Events that must stay in order: one key, or one partition. An event without a key is a lane of its
 * own. A lane has one run in the isolate at a time; what fails holds only its own lane.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import type { ChannelOptions } from '../contract/delivery.ts'
import type { WorkResult } from '../contract/work.ts'
import type { Parking } from './parking.ts'

/** One trigger × partition as the lanes see it. */
export interface Channel extends ChannelOptions {
  closed: boolean
  /** Tasks in lanes that wait. */
  waiting: number
  /** By key; shared with the channels `beside` it. */
  readonly lanes: Map<string, Lane>
  /** Cancels the waits of lanes without a key. */
  readonly waits: Set<() => void>
  /** Of triggers with `onDeadLetter: 'park'`; shared like the lanes. */
  readonly parking: Parking | undefined
}

/** One event on its way, through all its attempts. */
export interface Task {
  readonly id: number
  readonly channel: Channel
  readonly lane: Lane
  record: LogRecord
  event: Event
  readonly bytes: number
  /** 1 for the first. */
  attempt: number
  /** The first attempt has begun. */
  started: boolean
  /** Under suspicion: runs with nothing beside it. */
  alone: boolean
  /** When the first attempt failed, in ms since the epoch. */
  firstFailedAt: number
  /** Record and event are copies of their own; see `ownCopy`. */
  copied: boolean
  /** Handler time of all attempts, in milliseconds. */
  spentMs: number
  /** It went after a dead letter of its key without being tried. */
  parked: boolean
  /** It has ended. */
  over: boolean
  /** It is counted in its channel's `waiting`. */
  waits: boolean
  /** `ref` of the dead letter that came back with this event. */
  readonly replayOf: string | undefined
}

export class Lane {
  readonly id: number
  readonly key: string | undefined
  /** Waiting, first in front. */
  queue: Task[] = []
  /** Handed to the isolate and not yet resolved, publishing included. */
  running = 0
  /** The tasks of this run, also those that have ended. */
  run: readonly Task[] = []
  /** What was made of this run within the process and waits: so does all that stands behind it. */
  waitsBeyond = 0
  /** Tasks of this run whose output is being made durable, and the frame of results they came in. */
  publishing = 0
  frame: object | undefined
  /** Results that came while an earlier one of the lane was still being published. */
  held: Array<[Task, WorkResult]> = []
  /** Tasks of this run that run again. */
  again: Task[] = []
  /** No new run before this time, in ms since the epoch: a retry waits. */
  notBefore = 0
  /** Ends that wait. */
  cancelWait: (() => void) | undefined
  /** Its new events wait for parked ones to come back. */
  onHold = false
  /** Dead letters of this run on their way to the log, which later events must not pass. */
  deadLettering = 0

  constructor(id: number, key: string | undefined) {
    this.id = id
    this.key = key
  }

  /**
   * Takes the next run off the queue: at most `max` tasks; a suspect goes alone, and of a key that is
   * parked what came back goes without what is new.
   */
  nextRun(max: number): Task[] {
    const first = this.queue[0]
    if (first === undefined) return []
    const isParked = this.key !== undefined && first.channel.parking?.isKept(this.key) === true
    const goesAlong = ({ alone, replayOf }: Task): boolean =>
      !alone && (!isParked || (replayOf === undefined) === (first.replayOf === undefined))
    let length = 1
    if (!first.alone) {
      while (length < max && length < this.queue.length && goesAlong(this.queue[length] as Task)) {
        length++
      }
    }
    const run = this.queue.splice(0, length)
    this.running = run.length
    this.run = run
    return run
  }

  /** Ends a run: what has to run again goes back to the front, in the order in which it came. */
  endRun(): void {
    this.run = []
    if (this.again.length === 0) return
    const again = this.again.filter((task) => !task.channel.closed)
    again.sort((a, b) => a.id - b.id)
    this.queue = again.concat(this.queue)
    this.again = []
  }

  /** Of this run and behind it. */
  *unfinished(): Generator<Task> {
    for (const task of this.run) if (!task.over) yield task
    yield* this.queue
  }

  /** What came back from the dead letters stands before what is new. */
  replaysFirst(): void {
    const isReplay = ({ replayOf }: Task): boolean => replayOf !== undefined
    if (!this.queue.some(isReplay)) return
    const fresh = this.queue.filter((task) => !isReplay(task))
    this.queue = this.queue.filter(isReplay).concat(fresh)
  }

  /** Forgets what waits of a channel that was closed. */
  drop(channel: Channel): void {
    this.queue = this.queue.filter((task) => task.channel !== channel)
  }
}

/** The key under which an event queues, or undefined for a lane of its own. */
export function laneKey(channel: ChannelOptions, record: LogRecord): string | undefined {
  switch (channel.trigger.ordering) {
    case 'none':
      return undefined
    case 'partition':
      return ''
    case 'key':
      return record.key === null ? undefined : record.key.toString('latin1')
  }
}

/**
 * A record is a slice of its whole fetch. What waits for a retry may wait for hours, and must not hold a
 * megabyte meanwhile. Of the headers only those are needed that the event does not have as attributes.
 */
export function ownCopy(task: Task): void {
  if (task.copied) return
  task.copied = true
  const { record, event } = task
  const value = record.value === null ? null : Buffer.from(record.value)
  const bytes = event.data?.bytes
  const isWhole = bytes?.buffer === record.value?.buffer && bytes?.length === record.value?.length
  task.record = {
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key === null ? null : Buffer.from(record.key),
    value,
    headers: foreignHeaders(record.headers),
  }
  if (event.data === undefined) return
  const own = isWhole && value !== null ? value : Buffer.from(event.data.bytes)
  task.event = { attributes: event.attributes, data: { kind: event.data.kind, bytes: own } }
}

function foreignHeaders(headers: LogRecord['headers']): LogRecord['headers'] {
  const kept: Array<readonly [Buffer, Buffer | null]> = []
  for (const [name, value] of headers) {
    if (isEventHeader(name)) continue
    kept.push([Buffer.from(name), value === null ? null : Buffer.from(value)])
  }
  return kept
}

function isEventHeader(name: Buffer): boolean {
  const text = name.toString('latin1')
  return text.startsWith('ce_') || text === 'content-type'
}
