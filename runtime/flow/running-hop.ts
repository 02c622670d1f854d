/**
 * One hop at work. Its events come from memory, each made from an event of the source trigger, and end
 * when all that follows from them is durable.
 */
import type { LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, Delivery, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { TriggerMetrics } from '../contract/metrics.ts'
import type { Outcome } from '../contract/outcome.ts'
import type { Hop } from './plan.ts'

type Ledger = Pick<TriggerMetrics, 'consumed' | 'outcome' | 'returned'>

type Way = Pick<ChannelOptions, 'topic' | 'partition' | 'beside'>

export type HopChannelOptions = Way & {
  /** As `ChannelOptions.forward`; `cause` is the source's record. */
  forward: NonNullable<ChannelOptions['forward']>
}

/** The source's record that led to a hop's one. */
export type CauseOf = (record: Pick<LogRecord, 'offset'>) => LogRecord | undefined

/** A source's record, and who wants to know when what was made of it begins to wait, or goes on. */
export interface HopCause {
  record: LogRecord
  onWaits: (waits: boolean) => void
}

interface HopEvent {
  cause: HopCause
  waits: boolean
  end: (outcome: Outcome | undefined) => void
}

export class RunningHop {
  readonly hop: Hop
  readonly delivery: Delivery
  readonly #ledger: Ledger
  readonly #events = new Map<number, HopEvent>()
  #last = 0

  constructor(hop: Hop, ledger: Ledger, deliveryOf: (running: RunningHop) => Delivery) {
    this.hop = hop
    this.#ledger = ledger
    this.delivery = deliveryOf(this)
  }

  /** See `CauseOf`; undefined once the event has ended. */
  causeOf(record: Pick<LogRecord, 'offset'>): LogRecord | undefined {
    return this.#events.get(record.offset)?.cause.record
  }

  open({ forward, ...options }: HopChannelOptions): HopChannel {
    const channel = this.delivery.open({
      ...options,
      trigger: this.hop.trigger,
      offLog: true,
      forward: (record, records, onWaits) =>
        forward(this.causeOf(record) ?? record, records, onWaits),
      onWaiting: () => {}, // the source's own channel says so
      onWaits: ({ offset }, waits) => this.#waits(offset, waits),
      onSettled: ({ offset }, outcome) => this.#end(offset, outcome),
    })
    const mine = new Set<number>()
    return {
      channel,
      deliver: async (cause, record, event) => {
        const offset = ++this.#last
        mine.add(offset)
        const outcome = await new Promise<Outcome | undefined>((end) => {
          this.#ledger.consumed()
          this.#events.set(offset, { cause, waits: false, end })
          channel.deliver({ ...record, offset }, event)
        })
        mine.delete(offset)
        return outcome
      },
      close: () => {
        channel.close()
        for (const offset of mine) this.#end(offset, undefined)
      },
    }
  }

  #waits(offset: number, waits: boolean): void {
    const event = this.#events.get(offset)
    if (event === undefined || event.waits === waits) return
    event.waits = waits
    event.cause.onWaits(waits)
  }

  #end(offset: number, outcome: Outcome | undefined): void {
    const event = this.#events.get(offset)
    if (event === undefined) return
    this.#waits(offset, false)
    this.#events.delete(offset)
    if (outcome === undefined) this.#ledger.returned()
    else this.#ledger.outcome(outcome)
    event.end(outcome)
  }
}

/** The way of a hop's events that come from one partition of the source. */
export interface HopChannel {
  readonly channel: DeliveryChannel
  /** Resolves with what became of it, or undefined where the partition was given up before. */
  deliver(
    cause: HopCause,
    record: Omit<LogRecord, 'offset'>,
    event: Event,
  ): Promise<Outcome | undefined>
  close(): void
}
