/**
 * Brings the events of one trigger to its function and each of them to exactly one outcome:
 * events queue in lanes, `Turns` says when a lane stands in line, `Dispatch` hands those that do to the
 * function, `Verdict` makes of what comes back an outcome or another attempt.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, Delivery, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { Logger } from '../contract/log.ts'
import { triggerName } from '../contract/manifest.ts'
import { subscriberName } from '../contract/subscriber.ts'
import type { SubscriberRunner, WorkResult } from '../contract/work.ts'
import { Breaker } from './breaker.ts'
import { Dispatch } from './dispatch.ts'
import { Lane, laneKey, type Channel } from './lane.ts'
import { Parking } from './parking.ts'
import { Turns } from './turns.ts'
import { Verdict, type VerdictOptions } from './verdict.ts'

export interface TriggerDeliveryOptions extends Omit<
  VerdictOptions,
  'back' | 'turns' | 'published'
> {
  runner: SubscriberRunner
  /** Ids must be unique among all deliveries of one runner. */
  nextId: () => number
  /** `ref` of the dead letter that a record of a retry topic brings back. */
  replayOf: (record: LogRecord) => string | undefined
}

/** Of one key, in one append. */
const MAX_PARKED_TOGETHER = 500

export class TriggerDelivery implements Delivery {
  readonly #nextId: () => number
  readonly #replayOf: TriggerDeliveryOptions['replayOf']
  readonly #log: Logger
  readonly #dispatch: Dispatch
  readonly #turns: Turns
  readonly #verdict: Verdict
  readonly #channels = new WeakMap<DeliveryChannel, Channel>()
  #idleWaiters: Array<() => void> = []
  #laneIds = 0

  constructor(options: TriggerDeliveryOptions) {
    this.#nextId = options.nextId
    this.#replayOf = options.replayOf
    this.#log = options.log
    this.#dispatch = new Dispatch({
      ...options,
      breaker: this.#breaker(options),
      expired: (tasks) => {
        this.#verdict.discard(tasks)
        this.#moved()
      },
    })
    this.#turns = new Turns((lane) => this.#inLine(lane))
    this.#verdict = new Verdict({
      ...options,
      back: (result) => this.#dispatch.back(result),
      turns: this.#turns,
      published: () => this.#moved(),
    })
  }

  open(options: ChannelOptions): DeliveryChannel {
    const { beside } = options
    const other = beside === undefined ? undefined : this.#channels.get(beside)
    const lanes = other?.lanes ?? new Map<string, Lane>()
    const channel: Channel = {
      ...options,
      closed: false,
      waiting: 0,
      lanes,
      waits: new Set(),
      parking: other?.parking ?? this.#parking(options, lanes),
    }
    channel.parking?.enter(channel)
    const handle: DeliveryChannel = {
      get waiting() {
        return channel.waiting
      },
      deliver: (record, event) => this.#deliver(channel, record, event),
      restore: async () => channel.parking?.restore(),
      close: () => {
        channel.closed = true
        channel.parking?.leave(channel)
        this.#turns.close(channel)
      },
    }
    this.#channels.set(handle, channel)
    return handle
  }

  pause(): void {
    this.#dispatch.pause()
  }

  resume(): void {
    this.#dispatch.resume()
  }

  hold(held: boolean): void {
    this.#dispatch.hold(held)
  }

  retire(): void {
    this.#dispatch.hold(true)
  }

  get isIdle(): boolean {
    return this.#dispatch.size === 0 && this.#verdict.publishing === 0
  }

  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Takes those results that are this trigger's. */
  take(results: readonly WorkResult[]): void {
    this.#verdict.judge(results)
    this.#moved()
  }

  #breaker({ trigger, metrics, log }: TriggerDeliveryOptions): Breaker | undefined {
    const { breaker } = trigger.delivery
    if (breaker === undefined) return undefined
    return new Breaker({
      ...breaker,
      policy: trigger.delivery,
      goOn: () => this.#dispatch.schedule(),
      metrics,
      log,
      about: { function: subscriberName(trigger.subscriber), trigger: triggerName(trigger) },
    })
  }

  #parking({ lot }: ChannelOptions, lanes: Map<string, Lane>): Parking | undefined {
    if (lot === undefined) return undefined
    return new Parking({ lot, moved: (key) => this.#goOn(lanes.get(key)), log: this.#log })
  }

  /** A lane has a run: to the function, unless its key has dead letters that keep it back. */
  #inLine(lane: Lane): void {
    const { parking } = lane.queue[0]?.channel ?? {}
    if (parking === undefined || lane.key === undefined || !parking.isKept(lane.key)) {
      return this.#dispatch.ready(lane)
    }
    lane.replaysFirst()
    if (lane.queue[0]?.replayOf !== undefined) return this.#dispatch.ready(lane)
    switch (parking.wayOf(lane.key)) {
      case 'go':
        return this.#dispatch.ready(lane)
      case 'park':
        return this.#verdict.park(lane.nextRun(MAX_PARKED_TOGETHER))
      case 'hold':
        return this.#turns.hold(lane)
    }
  }

  /** What kept a lane back may be over. */
  #goOn(lane: Lane | undefined): void {
    if (lane !== undefined) this.#turns.release(lane)
  }

  #deliver(channel: Channel, record: LogRecord, event: Event): void {
    const lane = this.#laneOf(channel, record)
    const replayOf = isRetry(channel) ? this.#replayOf(record) : undefined
    if (replayOf !== undefined && lane.key !== undefined) {
      channel.parking?.cameBack(lane.key, replayOf)
    }
    this.#turns.add({
      id: this.#nextId(),
      channel,
      lane,
      record,
      event,
      bytes: (record.value?.length ?? 0) + 256,
      attempt: 1,
      started: false,
      alone: false,
      firstFailedAt: 0,
      copied: false,
      spentMs: 0,
      parked: false,
      over: false,
      waits: false,
      replayOf,
    })
    if (replayOf !== undefined) this.#turns.release(lane)
  }

  #laneOf(channel: Channel, record: LogRecord): Lane {
    const key = laneKey(channel, record)
    const open = key === undefined ? undefined : channel.lanes.get(key)
    if (open !== undefined) return open
    const lane = new Lane(++this.#laneIds, key)
    if (key !== undefined) channel.lanes.set(key, lane)
    return lane
  }

  /** Something ended: there may be room, and nothing may be left to wait for. */
  #moved(): void {
    this.#dispatch.schedule()
    if (this.#idleWaiters.length === 0 || !this.isIdle) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const resolve of waiters) resolve()
  }
}

/** Only a retry topic's word counts: anyone may write headers into the broker's own topic. */
function isRetry({ topic, trigger }: ChannelOptions): boolean {
  return topic !== trigger.topic
}
