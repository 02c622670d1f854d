/**
 * Brings the events of one trigger to its function and each of them to exactly one outcome:
 * events queue in lanes, `Turns` says when a lane stands in line, `Dispatch` hands those that do to the
 * function, `Verdict` makes of what comes back an outcome or another attempt.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import { triggerName } from '../contract/manifest.ts'
import type { FunctionRunner, WorkResult } from '../contract/work.ts'
import { Breaker } from './breaker.ts'
import { Dispatch } from './dispatch.ts'
import { Lane, laneKey, type Channel } from './lane.ts'
import { Turns } from './turns.ts'
import { Verdict, type VerdictOptions } from './verdict.ts'

export interface TriggerDeliveryOptions extends Omit<
  VerdictOptions,
  'back' | 'turns' | 'published'
> {
  runner: FunctionRunner
  /** Ids must be unique among all deliveries of one runner. */
  nextId: () => number
}

export class TriggerDelivery {
  readonly #nextId: () => number
  readonly #dispatch: Dispatch
  readonly #turns: Turns
  readonly #verdict: Verdict
  readonly #channels = new WeakMap<DeliveryChannel, Channel>()
  #idleWaiters: Array<() => void> = []
  #laneIds = 0

  constructor(options: TriggerDeliveryOptions) {
    this.#nextId = options.nextId
    this.#dispatch = new Dispatch({ ...options, breaker: this.#breaker(options) })
    this.#turns = new Turns((lane) => this.#dispatch.ready(lane))
    this.#verdict = new Verdict({
      ...options,
      back: (result) => this.#dispatch.back(result),
      turns: this.#turns,
      published: () => this.#moved(),
    })
  }

  open(options: ChannelOptions): DeliveryChannel {
    const { beside } = options
    const lanes = beside === undefined ? undefined : this.#channels.get(beside)?.lanes
    const channel: Channel = {
      ...options,
      closed: false,
      waiting: 0,
      lanes: lanes ?? new Map(),
      waits: new Set(),
    }
    const handle: DeliveryChannel = {
      get waiting() {
        return channel.waiting
      },
      deliver: (record, event) => this.#deliver(channel, record, event),
      close: () => {
        channel.closed = true
        this.#turns.close(channel)
      },
    }
    this.#channels.set(handle, channel)
    return handle
  }

  /** Starts nothing new. What runs goes on; `idle()` says when it has ended. */
  pause(): void {
    this.#dispatch.pause()
  }

  resume(): void {
    this.#dispatch.resume()
  }

  /** A person paused the trigger, or ended that: what was read and has not begun waits. */
  hold(held: boolean): void {
    this.#dispatch.hold(held)
  }

  /** Resolves once nothing runs and nothing is being published. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
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
      about: { function: trigger.function, trigger: triggerName(trigger) },
    })
  }

  #deliver(channel: Channel, record: LogRecord, event: Event): void {
    this.#turns.add({
      id: this.#nextId(),
      channel,
      lane: this.#laneOf(channel, record),
      record,
      event,
      bytes: (record.value?.length ?? 0) + 256,
      attempt: 1,
      started: false,
      alone: false,
      firstFailedAt: 0,
      copied: false,
      spentMs: 0,
    })
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
    if (this.#idleWaiters.length === 0 || !this.#isIdle()) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const resolve of waiters) resolve()
  }

  #isIdle(): boolean {
    return this.#dispatch.size === 0 && this.#verdict.publishing === 0
  }
}
