/** isolate → delivery → publish and dlq: each trigger with lanes of its own, and what becomes of its output. */
import { decodeRecord } from './codec/record.ts'
import type { AppendRecord, AppendResult, TopicPartition } from './contract/broker.ts'
import type { Delivery } from './contract/delivery.ts'
import type { DeliveryTrace } from './contract/history.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type TriggerManifest } from './contract/manifest.ts'
import { subscriberName } from './contract/subscriber.ts'
import type { FlowManifest } from './contract/topology.ts'
import { DeliveryHistory, MAX_DELIVERIES } from './delivery/history.ts'
import { TriggerDelivery, type TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { DEAD_LETTER_HEADERS, headerText } from './dlq/headers.ts'
import { FlowDelivery } from './flow/flow-delivery.ts'
import { goneSubscriber } from './flow/gone-step.ts'
import { stepHistory } from './flow/step-history.ts'
import { planFlow, type FlowPlan, type Hop } from './flow/plan.ts'
import { RunningHop, type CauseOf } from './flow/running-hop.ts'
import { letterOfStep, letterOfTrigger, outputsOf } from './outputs.ts'
import type { OpenSubscriber, Subscribers } from './subscribers.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface DeliveriesOptions {
  subscribers: Pick<Subscribers, 'open'>
  flows: () => readonly FlowManifest[]
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  maxEventBytes: number
  metrics: Metrics
  log: Logger
}

/** What is remembered of a trigger's deliveries, step by step; the trigger's own subscriber has no name. */
type Histories = Array<{ step?: string; history: DeliveryHistory }>

/** Also the one of a step that is gone, which nobody opened. */
type StepSubscriber = Omit<OpenSubscriber, 'release'>

/** `name`: of the subscriber. */
interface Disabled {
  name: string
  reason: string
}

/** Deliveries that `fn why` can tell of, of all triggers together, and of one at least. */
const MAX_REMEMBERED = 200_000
const MIN_DELIVERIES = 500

export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #byTrigger = new Map<TriggerManifest, Delivery>()
  /** What is open for each, its steps' as well. */
  readonly #subscribers = new Map<TriggerManifest, OpenSubscriber[]>()
  readonly #histories = new Map<string, Histories>()
  readonly #disabled = new Map<TriggerManifest, Disabled>()
  #settled = false
  #lastId = 0

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Subscribers that could not be opened, with the reason; their triggers keep their place. */
  get disabled(): ReadonlyMap<string, string> {
    return new Map([...this.#disabled.values()].map(({ name, reason }) => [name, reason]))
  }

  /** Those that are open. */
  get triggers(): TriggerManifest[] {
    return [...this.#byTrigger.keys()]
  }

  of(trigger: TriggerManifest): Delivery | undefined {
    return this.#byTrigger.get(trigger)
  }

  /** Lets nothing new start, for any trigger; resolves when nothing runs. */
  async settleDown(): Promise<void> {
    this.#settled = true
    const all = [...this.#byTrigger.values()]
    for (const delivery of all) delivery.pause()
    await Promise.all(all.map((delivery) => delivery.idle()))
  }

  /** Ends what `settleDown` began. */
  goOn(): void {
    this.#settled = false
    for (const delivery of this.#byTrigger.values()) delivery.resume()
  }

  /**
   * What is remembered of a delivery; `trigger` is `namespace/name`. Of several events that a step got
   * because of one, it is the last.
   */
  trace(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined {
    const traces = (this.#histories.get(trigger) ?? []).flatMap(({ step, history }) => {
      const trace = history.find(at.topic, at.partition, offset)
      if (trace === undefined || step === undefined) return trace ?? []
      return { ...trace, attempts: trace.attempts.map((attempt) => ({ ...attempt, step })) }
    })
    const [first] = traces
    if (first === undefined) return undefined
    const attempts = traces.flatMap((trace) => trace.attempts).toSorted((a, b) => a.at - b.at)
    return { ...first, trigger, attempts }
  }

  /**
   * A trigger whose subscriber, or that of a step which follows, cannot be opened is left out, told, and
   * the reason given.
   */
  async open(trigger: TriggerManifest): Promise<Error | undefined> {
    let subscriber = trigger.subscriber
    const open: OpenSubscriber[] = []
    try {
      const plan = planFlow(trigger, this.#options.flows())
      const subscribers = new Map<Hop | undefined, OpenSubscriber>()
      for (const hop of [undefined, ...plan.hops]) {
        subscriber = hop?.trigger.subscriber ?? trigger.subscriber
        const one = await this.#options.subscribers.open(subscriber)
        open.push(one)
        subscribers.set(hop, one)
      }
      const { delivery, histories } = this.#flow(trigger, plan, (hop) => {
        return subscribers.get(hop) as OpenSubscriber
      })
      if (this.#settled) delivery.pause()
      this.#histories.set(triggerName(trigger), histories)
      this.#byTrigger.set(trigger, delivery)
      this.#subscribers.set(trigger, open)
      return undefined
    } catch (error) {
      for (const one of open) one.release()
      const failure = error instanceof Error ? error : new Error(String(error))
      this.#disable(trigger, subscriberName(subscriber), failure.message)
      return failure
    }
  }

  /** Forgets a trigger of which nothing runs any more, or nothing that counts. Idempotent. */
  close(trigger: TriggerManifest): void {
    this.#disabled.delete(trigger)
    if (!this.#byTrigger.delete(trigger)) return
    for (const one of this.#subscribers.get(trigger) ?? []) one.release()
    this.#subscribers.delete(trigger)
    const name = triggerName(trigger)
    // Another one of the same name may have come for it.
    if (this.triggers.some((one) => triggerName(one) === name)) return
    this.#histories.delete(name)
    if (trigger.delivery.breaker !== undefined) {
      this.#options.metrics.forTrigger(name).breakerOpen(false)
    }
  }

  #disable(trigger: TriggerManifest, name: string, reason: string): void {
    if (!this.disabled.has(name)) {
      this.#options.log.error({ function: name, error: reason }, 'function disabled: no start')
    }
    this.#disabled.set(trigger, { name, reason })
  }

  #flow(
    trigger: TriggerManifest,
    plan: FlowPlan,
    subscriberOf: (hop: Hop | undefined) => StepSubscriber,
  ): { delivery: Delivery; histories: Histories } {
    const own = subscriberOf(undefined)
    const known = this.#histories.get(triggerName(trigger)) ?? []
    const historyOf = (name: string, step?: string): DeliveryHistory =>
      known.find((one) => one.step === step)?.history ??
      new DeliveryHistory(name, this.#remembered())
    const history = historyOf(triggerName(trigger))
    const histories: Histories = [{ history }]
    const { metrics, maxEventBytes } = this.#options
    const outputs = { of: trigger, output: plan.output, manifest: own.manifest, maxEventBytes }
    const source = this.#delivery(trigger, own, {
      ...outputsOf({ ...outputs, deadLetter: letterOfTrigger(trigger) }),
      history,
      metrics: metrics.forTrigger(triggerName(trigger)),
    })
    const open = (hop: Hop, subscriber: StepSubscriber): RunningHop => {
      const remembered = historyOf(triggerName(hop.trigger), hop.step)
      histories.push({ step: hop.step, history: remembered })
      return this.#hop(trigger, hop, { subscriber, history: remembered })
    }
    const delivery = new FlowDelivery({
      trigger,
      plan,
      source,
      hops: new Map(plan.hops.map((hop) => [hop, open(hop, subscriberOf(hop))])),
      openGone: (hop) => open(hop, goneSubscriber(hop)),
      decode: decodeRecord,
      stepOf: (record) => headerText(record, DEAD_LETTER_HEADERS.step),
    })
    return { delivery, histories }
  }

  /** A thousand triggers remember less of each, so that they do not hold a gigabyte together. */
  #remembered(): number {
    const share = Math.floor(MAX_REMEMBERED / (this.#byTrigger.size + 1))
    return Math.max(MIN_DELIVERIES, Math.min(MAX_DELIVERIES, share))
  }

  #hop(
    source: TriggerManifest,
    hop: Hop,
    own: { subscriber: StepSubscriber; history: DeliveryHistory },
  ): RunningHop {
    const { subscriber, history } = own
    const { maxEventBytes } = this.#options
    const { trigger: of, output } = hop
    const metrics = this.#options.metrics.forTrigger(triggerName(of))
    return new RunningHop(hop, metrics, (running) => {
      const causeOf: CauseOf = (record) => running.causeOf(record)
      const deadLetter = letterOfStep(source, hop, causeOf)
      return this.#delivery(of, subscriber, {
        ...outputsOf({ of, output, manifest: subscriber.manifest, maxEventBytes, deadLetter }),
        history: stepHistory(history, causeOf),
        metrics,
      })
    })
  }

  #delivery(
    trigger: TriggerManifest,
    subscriber: StepSubscriber,
    own: Pick<TriggerDeliveryOptions, 'toReply' | 'toDeadLetter' | 'history' | 'metrics'>,
  ): TriggerDelivery {
    const { append, log } = this.#options
    const delivery: TriggerDelivery = new TriggerDelivery({
      ...own,
      trigger,
      runner: subscriber.share((results) => delivery.take(results)),
      append,
      log,
      nextId: () => ++this.#lastId,
      replayOf: (record) => headerText(record, DEAD_LETTER_HEADERS.replayOf),
    })
    return delivery
  }
}
