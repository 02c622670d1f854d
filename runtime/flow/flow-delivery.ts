/**
 * Brings the events of a trigger to its subscriber and on through all that follows within this process.
 * An event has ended, and its offset is free to be committed, when everything that came of it is durable:
 * a crash between steps loses nothing, and the chain runs again from the log.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, Delivery, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import { FlowChannel } from './flow-channel.ts'
import { goneHop, stepId, type FlowPlan, type Hop } from './plan.ts'
import type { RunningHop } from './running-hop.ts'

export interface FlowDeliveryOptions {
  trigger: TriggerManifest
  plan: FlowPlan
  /** Of the trigger's own subscriber. */
  source: Delivery
  /** All those of the plan. */
  hops: ReadonlyMap<Hop, RunningHop>
  /** Takes dead letters that come back to a step which is no longer there, and fails them again. */
  openGone: (hop: Hop) => RunningHop
  decode: (record: LogRecord) => Event
  /** The step that a record of a retry topic is for, `namespace/name`; none: the trigger's subscriber. */
  stepOf: (record: LogRecord) => string | undefined
}

export class FlowDelivery implements Delivery {
  readonly #options: FlowDeliveryOptions
  /** By the name of their step: those that are gone as well, once somebody asked for them. */
  readonly #steps = new Map<string, RunningHop>()
  #paused = false
  #held = false

  constructor(options: FlowDeliveryOptions) {
    this.#options = options
    for (const running of options.hops.values()) this.#steps.set(stepId(running.hop), running)
  }

  open(options: ChannelOptions): DeliveryChannel {
    const { beside } = options
    const neighbour = beside instanceof FlowChannel ? beside : undefined
    const { plan, hops } = this.#options
    return new FlowChannel({
      ...this.#options,
      channel: options,
      neighbour,
      forwards: plan.routes.size > 0,
      hopsAt: (address) => plan.routes.get(address)?.map((hop) => hops.get(hop) as RunningHop),
      hopOf: (step) => this.#hopOf(step),
    })
  }

  pause(): void {
    this.#paused = true
    for (const one of this.#all()) one.pause()
  }

  resume(): void {
    this.#paused = false
    for (const one of this.#all()) one.resume()
  }

  hold(held: boolean): void {
    this.#held = held
    for (const one of this.#all()) one.hold(held)
  }

  retire(): void {
    this.#options.source.retire()
  }

  get isIdle(): boolean {
    return this.#all().every((one) => one.isIdle)
  }

  /** What one has finished may give another something to write. */
  async idle(): Promise<void> {
    do {
      await Promise.all(this.#all().map((one) => one.idle()))
      await turn()
    } while (!this.isIdle)
  }

  #all(): Delivery[] {
    return [this.#options.source, ...[...this.#steps.values()].map(({ delivery }) => delivery)]
  }

  #hopOf(step: string): RunningHop {
    const known = this.#steps.get(step)
    if (known !== undefined) return known
    const { trigger, openGone } = this.#options
    const gone = openGone(goneHop(trigger, step))
    if (this.#paused) gone.delivery.pause()
    gone.delivery.hold(this.#held)
    this.#steps.set(step, gone)
    return gone
  }
}
