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
  readonly #disabled = new Map<string, string>()
  #lastId = 0

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Subscribers that could not be opened, with the reason; their triggers keep their place. */
  get disabled(): ReadonlyMap<string, string> {
    return this.#disabled
  }

  /** Those that are open. */
  get triggers(): TriggerManifest[] {
    return [...this.#byTrigger.keys()]
  }

  of(trigger: TriggerManifest): TriggerDelivery | undefined {
    return this.#byTrigger.get(trigger)
  }

  all(): TriggerDelivery[] {
    return [...this.#byTrigger.values()]
  }

  /** What is remembered of a delivery; `trigger` is `namespace/name`. */
  trace(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined {
    return this.#histories.get(trigger)?.find(at.topic, at.partition, offset)
  }

  /** A trigger whose subscriber cannot be opened is left out, and told. */
  async open(trigger: TriggerManifest): Promise<void> {
    const { subscribers, metrics, log, append } = this.#options
    const name = triggerName(trigger)
    const subscriber = subscriberName(trigger.subscriber)
    try {
      const { share, manifest } = await subscribers.open(trigger.subscriber)
      const history = new DeliveryHistory(name)
      const delivery: TriggerDelivery = new TriggerDelivery({
        ...this.#outputs(trigger, manifest),
        trigger,
        runner: share((results) => delivery.take(results)),
        append,
        metrics: metrics.forTrigger(name),
        history,
        log,
        nextId: () => ++this.#lastId,
        replayOf: (record) => headerText(record, DEAD_LETTER_HEADERS.replayOf),
      })
      this.#histories.set(name, history)
      this.#byTrigger.set(trigger, delivery)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (!this.#disabled.has(subscriber)) {
        log.error({ function: subscriber, error: reason }, 'function disabled: no start')
      }
      this.#disabled.set(subscriber, reason)
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
