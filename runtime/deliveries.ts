/** isolate → delivery → publish and dlq: each trigger with lanes of its own, and what becomes of its output. */
import { deadLetterTopic } from './broker/names.ts'
import { checkGivenAttributes } from './codec/attributes.ts'
import { encodeRecord } from './codec/record.ts'
import type { AppendRecord, AppendResult, TopicPartition } from './contract/broker.ts'
import type { DeliveryTrace } from './contract/history.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import { subscriberName } from './contract/subscriber.ts'
import { DeliveryHistory } from './delivery/history.ts'
import { TriggerDelivery, type TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { deadLetterRecord } from './dlq/dead-letter.ts'
import { DEAD_LETTER_HEADERS, headerText } from './dlq/headers.ts'
import { publishableReply } from './publish/publishable-reply.ts'
import type { Subscribers } from './subscribers.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface DeliveriesOptions {
  subscribers: Subscribers
  append: (records: readonly AppendRecord[]) => Promise<AppendResult[]>
  maxEventBytes: number
  metrics: Metrics
  log: Logger
}

export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #byTrigger = new Map<TriggerManifest, TriggerDelivery>()
  readonly #histories = new Map<string, DeliveryHistory>()
  /** Ends what listens to the subscriber's results. */
  readonly #listening = new Map<TriggerManifest, () => void>()
  readonly #disabled = new Map<TriggerManifest, string>()
  #settled = false
  #lastId = 0

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Subscribers that could not be opened, with the reason; their triggers keep their place. */
  get disabled(): ReadonlyMap<string, string> {
    const reasons = [...this.#disabled]
    return new Map(reasons.map(([trigger, reason]) => [subscriberName(trigger.subscriber), reason]))
  }

  /** Those that are open. */
  get triggers(): TriggerManifest[] {
    return [...this.#byTrigger.keys()]
  }

  of(trigger: TriggerManifest): TriggerDelivery | undefined {
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

  /** What is remembered of a delivery; `trigger` is `namespace/name`. */
  trace(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined {
    return this.#histories.get(trigger)?.find(at.topic, at.partition, offset)
  }

  /** A trigger whose subscriber cannot be opened is left out, told, and the reason given. */
  async open(trigger: TriggerManifest): Promise<Error | undefined> {
    const { subscribers, metrics, log, append } = this.#options
    const name = triggerName(trigger)
    const subscriber = subscriberName(trigger.subscriber)
    try {
      const opened = await subscribers.open(trigger.subscriber)
      const { runner, manifest } = opened
      const history = this.#histories.get(name) ?? new DeliveryHistory(name)
      const delivery = new TriggerDelivery({
        ...this.#outputs(trigger, manifest),
        trigger,
        runner,
        append,
        metrics: metrics.forTrigger(name),
        history,
        log,
        nextId: () => ++this.#lastId,
        replayOf: (record) => headerText(record, DEAD_LETTER_HEADERS.replayOf),
      })
      if (this.#settled) delivery.pause()
      this.#listening.set(
        trigger,
        opened.listen((results) => delivery.take(results)),
      )
      this.#histories.set(name, history)
      this.#byTrigger.set(trigger, delivery)
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      if (!this.disabled.has(subscriber)) {
        log.error({ function: subscriber, error: failure.message }, 'function disabled: no start')
      }
      this.#disabled.set(trigger, failure.message)
      return failure
    }
    return undefined
  }

  /** Forgets a trigger of which nothing runs any more, or nothing that counts. Idempotent. */
  close(trigger: TriggerManifest): void {
    this.#listening.get(trigger)?.()
    this.#listening.delete(trigger)
    this.#disabled.delete(trigger)
    if (!this.#byTrigger.delete(trigger)) return
    const name = triggerName(trigger)
    // Another one of the same name may have come for it.
    if (this.triggers.some((one) => triggerName(one) === name)) return
    this.#histories.delete(name)
    if (trigger.delivery.breaker !== undefined) {
      this.#options.metrics.forTrigger(name).breakerOpen(false)
    }
  }

  /** What a subscriber's results become. */
  #outputs(
    trigger: TriggerManifest,
    manifest: FunctionManifest | undefined,
  ): Pick<TriggerDeliveryOptions, 'toReply' | 'toDeadLetter'> {
    const { maxEventBytes } = this.#options
    const origin = {
      trigger: triggerName(trigger),
      function: subscriberName(trigger.subscriber),
      namespace: manifest?.namespace ?? trigger.namespace,
    }
    return {
      toReply: (reply, index, cause) =>
        publishableReply(reply, index, {
          origin: { ...origin, cause },
          topic: trigger.topic,
          maxEventBytes,
          check: checkGivenAttributes,
          encode: encodeRecord,
        }),
      toDeadLetter: (letter) =>
        deadLetterRecord(letter, {
          topic: deadLetterTopic(trigger.group),
          version: manifest?.version ?? '',
          encode: encodeRecord,
        }),
    }
  }
}
