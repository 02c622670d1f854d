/** The way of a trigger's events from one partition, through all its hops. */
import type { AppendRecord, AppendResult, Bytes, LogRecord } from '../contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from '../contract/delivery.ts'
import type { Event } from '../contract/event.ts'
import type { FlowDeliveryOptions } from './flow-delivery.ts'
import { stepId, type Address } from './plan.ts'
import type { HopCause, HopChannel, RunningHop } from './running-hop.ts'

export interface FlowChannelOptions extends Pick<
  FlowDeliveryOptions,
  'source' | 'decode' | 'stepOf'
> {
  channel: ChannelOptions
  /** The channel beside this one, whose lanes it shares, hop by hop. */
  neighbour: FlowChannel | undefined
  /** Some of the trigger's output stays within this process. */
  forwards: boolean
  /** Who takes what is sent there; undefined for a topic. */
  hopsAt: (address: Address) => readonly RunningHop[] | undefined
  /** The hop of a step, also of one that is gone. */
  hopOf: (step: string) => RunningHop
}

export class FlowChannel implements DeliveryChannel {
  readonly #options: FlowChannelOptions
  readonly #own: DeliveryChannel
  readonly #hops = new Map<RunningHop, HopChannel>()
  /** The last channel of each hop that was opened, here or beside: the next one shares its lanes. */
  readonly #lanes: Map<RunningHop, DeliveryChannel>
  /** Events that came back to a step, and wait there. */
  #waitingAtSteps = 0
  #closed = false

  constructor(options: FlowChannelOptions) {
    this.#options = options
    const { neighbour, source } = options
    this.#lanes = neighbour === undefined ? new Map() : neighbour.#lanes
    const { beside: _, ...channel } = options.channel
    this.#own = source.open({
      ...channel,
      ...(neighbour === undefined ? {} : { beside: neighbour.#own }),
      ...(options.forwards
        ? { forward: (record, records, onWaits) => this.#forward({ record, onWaits }, records) }
        : {}),
    })
  }

  get waiting(): number {
    return this.#own.waiting + this.#waitingAtSteps
  }

  deliver(record: LogRecord, event: Event): void {
    const step = this.#stepOf(record)
    if (step === undefined) this.#own.deliver(record, event)
    else void this.#goOnAt(step, record, event)
  }

  restore(): Promise<void> {
    return this.#own.restore()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#own.close()
    for (const hop of this.#hops.values()) hop.close()
  }

  /** Only a retry topic's word counts: anyone may write headers into the broker's own topic. */
  #stepOf(record: LogRecord): string | undefined {
    const { topic, trigger } = this.#options.channel
    if (topic === trigger.topic) return undefined
    const step = this.#options.stepOf(record)
    const { namespace, step: own } = trigger
    const isOwn = own !== undefined && step === stepId({ step: own.name, trigger: { namespace } })
    return isOwn ? undefined : step
  }

  /** A dead letter of a step comes back: it goes to that step, not through those before it again. */
  async #goOnAt(step: string, record: LogRecord, event: Event): Promise<void> {
    const hop = this.#channelOf(this.#options.hopOf(step))
    const cause: HopCause = {
      record: withoutEvent(record),
      onWaits: (waits) => {
        this.#waitingAtSteps += waits ? 1 : -1
        if (waits) this.#options.channel.onWaiting()
      },
    }
    const outcome = await hop.deliver(cause, record, event)
    if (outcome !== undefined) this.#options.channel.onSettled(record, outcome)
  }

  /** All output of one event has one address. */
  #forward(cause: HopCause, records: readonly AppendRecord[]): Promise<AppendResult[]> | undefined {
    const hops = this.#options.hopsAt(records[0]?.topic ?? '')
    if (hops === undefined) return undefined
    return Promise.all(records.map((record) => this.#send(cause, record, hops)))
  }

  async #send(
    cause: HopCause,
    output: AppendRecord,
    hops: readonly RunningHop[],
  ): Promise<AppendResult> {
    const { topic } = output
    const { offset } = cause.record
    let outcomes
    try {
      const record = recordOf(output, cause.record)
      const event = this.#options.decode({ ...record, offset })
      outcomes = await Promise.all(
        hops.map((hop) => this.#channelOf(hop).deliver(cause, record, event)),
      )
    } catch (error) {
      return { ok: false, topic, error: error instanceof Error ? error : new Error(String(error)) }
    }
    const isLost = this.#closed || outcomes.includes(undefined)
    if (isLost) return { ok: false, topic, error: new Error('the partition was given up') }
    return { ok: true, topic, partition: this.#options.channel.partition, offset }
  }

  #channelOf(hop: RunningHop): HopChannel {
    const open = this.#hops.get(hop)
    if (open !== undefined) return open
    const { topic, partition } = this.#options.channel
    const beside = this.#lanes.get(hop)
    const channel = hop.open({
      topic,
      partition,
      forward: (record, records, onWaits) => this.#forward({ record, onWaits }, records),
      ...(beside === undefined ? {} : { beside }),
    })
    this.#hops.set(hop, channel)
    this.#lanes.set(hop, channel.channel)
    return channel
  }
}

/** As a topic between the two would give it back. */
function recordOf(output: AppendRecord, cause: LogRecord): Omit<LogRecord, 'offset'> {
  return {
    timestamp: cause.timestamp,
    key: output.key === null ? null : bufferOf(output.key),
    value: output.value === null ? null : bufferOf(output.value),
    headers: output.headers.map(
      ([name, value]) => [bufferOf(name), value === null ? null : bufferOf(value)] as const,
    ),
  }
}

function bufferOf(bytes: Bytes): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : bytes
}

/** Its place, and what a dead letter has to know of an earlier one; see `ownCopy`. */
function withoutEvent({ offset, timestamp, headers }: LogRecord): LogRecord {
  const kept = headers.filter(([name]) => name.toString('latin1').startsWith('millrace-'))
  return {
    offset,
    timestamp,
    key: null,
    value: null,
    headers: kept.map(
      ([name, value]) => [Buffer.from(name), value === null ? null : Buffer.from(value)] as const,
    ),
  }
}
