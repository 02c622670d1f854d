/**
 * The way of an event, stage by stage:
 *
 *   ingress → broker → consumer → filter → isolate → delivery ─┬→ publish → broker
 *                                                              └→ dlq     → broker
 *
 * This file only wires the stages; none of them imports another. Read it first.
 */
import type { AppendRecord, AppendResult, Broker } from './contract/broker.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import type { FunctionBundle, IsolatePool, WorkResult } from './contract/work.ts'

import { createIngress, type Ingress } from './ingress/ingress.ts'
import { deadLetterTopic, quarantineTopic } from './broker/names.ts'
import { Consumer } from './consumer/consumer.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import { TriggerDelivery, type TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { publishableReply } from './publish/publishable-reply.ts'
import { deadLetterRecord } from './dlq/dead-letter.ts'
import { keepInQuarantine, quarantineRecord } from './dlq/quarantine.ts'
import { checkGivenAttributes } from './codec/attributes.ts'
import { decodeRecord, encodeRecord } from './codec/record.ts'
import { within } from './within.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { LazyTopics } from './broker/lazy-topics.ts'

type Append = (records: readonly AppendRecord[]) => Promise<AppendResult[]>

export interface LoadedFunction {
  manifest: FunctionManifest
  bundle: FunctionBundle
}

export interface PipelineOptions {
  broker: Broker
  pool: IsolatePool
  functions: readonly LoadedFunction[]
  /** The deployment's consumer group. */
  group: string
  limits: {
    maxEventBytes: number
    maxIngressBufferBytes: number
    maxBufferBytes: number
    commitIntervalMs: number
  }
  metrics: Metrics
  log: Logger
}

export interface Pipeline {
  ingress: Ingress
  consumer: Consumer
  /** Functions that could not be loaded, with the reason; their triggers keep their place. */
  disabled: ReadonlyMap<string, string>
  /** Accepts and reads no more, finishes what runs, commits. */
  stop(deadlineMs: number): Promise<void>
}

export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const topics = new LazyTopics(options.broker)
  const append: Append = (records) => topics.append(records)
  for (const topic of new Set(triggersOf(options).map((trigger) => trigger.topic))) {
    await topics.ensure(topic)
  }

  const ingress = await openIngress(options, append)
  const { deliveries, disabled } = await openDeliveries(options, append)
  const consumer = openConsumer(options, append, deliveries)
  await consumer.start()

  return {
    ingress,
    consumer,
    disabled,
    stop: async (deadlineMs) => {
      await within(deadlineMs, ingress.drain())
      await consumer.stop(deadlineMs)
      await ingress.close()
    },
  }
}

/** HTTP → ingress → broker: events become records. */
function openIngress(options: PipelineOptions, append: Append): Promise<Ingress> {
  const { broker, limits, metrics, log } = options
  const topics = new Map(triggersOf(options).map((trigger) => [trigger.broker, trigger.topic]))
  return createIngress({
    append,
    topicOf: (namespace, name) => topics.get(`${namespace}/${name}`),
    brokers: () => [...topics.keys()],
    trouble: () => broker.trouble(),
    maxEventBytes: limits.maxEventBytes,
    maxBufferBytes: limits.maxIngressBufferBytes,
    metrics: metrics.ingress,
    log,
  })
}

/** broker → consumer → filter: each partition is read once, one index says which triggers an event is for. */
function openConsumer(
  options: PipelineOptions,
  append: Append,
  deliveries: ReadonlyMap<TriggerManifest, TriggerDelivery>,
): Consumer {
  const { broker, group, limits, metrics, log } = options
  const triggers = [...deliveries.keys()]
  const byTopic = Map.groupBy(triggers, (trigger) => trigger.topic)
  const indexes = new Map<string, TriggerIndex<TriggerManifest>>()
  for (const [topic, own] of byTopic) {
    const entries = own.map((trigger) => ({ filters: trigger.filters, value: trigger }))
    indexes.set(topic, new TriggerIndex(entries))
  }
  const all = [...deliveries.values()]
  return new Consumer({
    broker,
    group,
    triggers,
    decode: decodeRecord,
    match: (topic, event) => indexes.get(topic)?.match(event) ?? [],
    openChannel: (channel) => (deliveries.get(channel.trigger) as TriggerDelivery).open(channel),
    quarantine: (topic, partition, record, reason) => {
      const kept = quarantineRecord({ topic, partition }, record, reason, quarantineTopic(topic))
      return keepInQuarantine(append, kept, log)
    },
    ledger: (trigger) => metrics.forTrigger(triggerName(trigger)),
    settleDown: async () => {
      for (const delivery of all) delivery.pause()
      await Promise.all(all.map((delivery) => delivery.idle()))
    },
    goOn: () => {
      for (const delivery of all) delivery.resume()
    },
    maxBufferBytes: limits.maxBufferBytes,
    commitIntervalMs: limits.commitIntervalMs,
    log,
  })
}

interface Deliveries {
  deliveries: Map<TriggerManifest, TriggerDelivery>
  disabled: Map<string, string>
}

/** isolate → delivery: each function in its isolate, each trigger with lanes of its own. */
async function openDeliveries(options: PipelineOptions, append: Append): Promise<Deliveries> {
  const deliveries = new Map<TriggerManifest, TriggerDelivery>()
  const disabled = new Map<string, string>()
  let lastId = 0
  const nextId = (): number => ++lastId
  for (const { manifest, bundle } of options.functions) {
    const own: TriggerDelivery[] = []
    const take = (results: WorkResult[]): void => {
      for (const delivery of own) delivery.take(results)
    }
    try {
      const runner = await options.pool.open(manifest, bundle, take)
      for (const trigger of manifest.triggers) {
        const delivery = new TriggerDelivery({
          ...outputsOf(manifest, trigger, options.limits.maxEventBytes),
          trigger,
          runner,
          append,
          metrics: options.metrics.forTrigger(triggerName(trigger)),
          log: options.log,
          nextId,
        })
        own.push(delivery)
        deliveries.set(trigger, delivery)
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      disabled.set(manifest.name, reason)
      options.log.error({ function: manifest.name, error: reason }, 'function disabled: no start')
    }
  }
  return { deliveries, disabled }
}

/** delivery → publish and delivery → dlq: what a function's results become. */
function outputsOf(
  manifest: FunctionManifest,
  trigger: TriggerManifest,
  maxEventBytes: number,
): Pick<TriggerDeliveryOptions, 'toReply' | 'toDeadLetter'> {
  const origin = {
    trigger: triggerName(trigger),
    function: manifest.name,
    namespace: manifest.namespace,
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
        version: manifest.version,
        encode: encodeRecord,
      }),
  }
}

function triggersOf({ functions }: PipelineOptions): TriggerManifest[] {
  return functions.flatMap(({ manifest }) => manifest.triggers)
}
