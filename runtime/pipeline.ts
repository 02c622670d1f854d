/**
 * The way of an event, stage by stage:
 *
 *   ingress → broker → consumer → filter → isolate → delivery ─┬→ publish → broker
 *                                                              └→ dlq     → broker
 *
 * This file only wires the stages; none of them imports another. Read it first.
 */
import type { AppendRecord, AppendResult, Broker } from './contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from './contract/delivery.ts'
import type { Logger } from './contract/log.ts'
import type { FunctionManifest, TriggerManifest } from './contract/manifest.ts'
import type { FunctionBundle, IsolatePool, WorkResult } from './contract/work.ts'

import { createIngress, type Ingress } from './ingress/ingress.ts'
import { brokerTopic, deadLetterTopic, parseObjectName, quarantineTopic } from './broker/names.ts'
import { Consumer } from './consumer/consumer.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import { TriggerDelivery } from './delivery/trigger-delivery.ts'
import { publishableReply } from './publish/publishable-reply.ts'
import { deadLetterRecord } from './dlq/dead-letter.ts'
import { keepInQuarantine, quarantineRecord } from './dlq/quarantine.ts'
import { decodeRecord, encodeRecord } from './codec/record.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { LazyTopics } from './broker/lazy-topics.ts'

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
  const { broker, pool, functions, limits, metrics, log } = options
  const topics = new LazyTopics(broker)
  const append = (records: readonly AppendRecord[]): Promise<AppendResult[]> =>
    topics.append(records)

  // broker: the topics that events come from
  const triggers = functions.flatMap((one) => one.manifest.triggers)
  for (const topic of new Set(triggers.map((trigger) => trigger.topic))) await topics.ensure(topic)

  // isolate and delivery: each function in its isolate, each trigger with its own lanes
  const deliveries = new Map<TriggerManifest, TriggerDelivery>()
  const disabled = new Map<string, string>()
  let lastId = 0
  for (const { manifest, bundle } of functions) {
    const own: TriggerDelivery[] = []
    const onResults = (results: WorkResult[]): void => {
      for (const delivery of own) delivery.take(results)
    }
    try {
      const runner = await pool.open(manifest, bundle, onResults)
      for (const trigger of manifest.triggers) {
        const name = `${trigger.namespace}/${trigger.name}`
        const delivery = new TriggerDelivery({
          trigger,
          runner,
          append,
          toReply: (reply, index, cause) =>
            publishableReply(reply, index, {
              origin: {
                cause,
                trigger: name,
                function: manifest.name,
                namespace: manifest.namespace,
              },
              topic: trigger.topic,
              maxEventBytes: limits.maxEventBytes,
              encode: encodeRecord,
            }),
          toDeadLetter: (letter) =>
            deadLetterRecord(letter, {
              topic: deadLetterTopic(trigger.group),
              version: manifest.version,
              encode: encodeRecord,
            }),
          metrics: metrics.forTrigger(name),
          log,
          nextId: () => ++lastId,
        })
        own.push(delivery)
        deliveries.set(trigger, delivery)
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      disabled.set(manifest.name, reason)
      log.error({ function: manifest.name, error: reason }, 'function disabled: it does not load')
    }
  }

  // filter: one index a topic says which triggers an event is for
  const active = [...deliveries.keys()]
  const indexes = new Map<string, TriggerIndex<TriggerManifest>>()
  for (const topic of new Set(active.map((trigger) => trigger.topic))) {
    const entries = active
      .filter((trigger) => trigger.topic === topic)
      .map((trigger) => ({ filters: trigger.filters, value: trigger }))
    indexes.set(topic, new TriggerIndex(entries))
  }

  // consumer: each partition read once, each trigger at its own place
  const consumer = new Consumer({
    broker,
    group: options.group,
    triggers: active,
    decode: decodeRecord,
    match: (topic, event) => indexes.get(topic)?.match(event) ?? [],
    openChannel: (channel: ChannelOptions): DeliveryChannel =>
      (deliveries.get(channel.trigger) as TriggerDelivery).open(channel),
    quarantine: (topic, partition, record, reason) =>
      keepInQuarantine(
        append,
        quarantineRecord({ topic, partition }, record, reason, quarantineTopic(topic)),
        log,
      ),
    ledger: (trigger) => metrics.forTrigger(`${trigger.namespace}/${trigger.name}`),
    settleDown: async () => {
      for (const delivery of deliveries.values()) delivery.pause()
      await Promise.all([...deliveries.values()].map((delivery) => delivery.idle()))
    },
    goOn: () => {
      for (const delivery of deliveries.values()) delivery.resume()
    },
    maxBufferBytes: limits.maxBufferBytes,
    commitIntervalMs: limits.commitIntervalMs,
    log,
  })

  // ingress: events over HTTP become records
  const known = new Map(triggers.map((trigger) => [trigger.broker, trigger.topic]))
  const ingress = await createIngress({
    append,
    topicOf: (namespace, name) => known.get(`${namespace}/${name}`),
    brokers: () => [...known.keys()],
    trouble: () => broker.trouble(),
    maxEventBytes: limits.maxEventBytes,
    maxBufferBytes: limits.maxIngressBufferBytes,
    metrics: metrics.ingress,
    log,
  })

  await consumer.start()
  return {
    ingress,
    consumer,
    disabled,
    stop: async (deadlineMs) => {
      await ingress.drain()
      await consumer.stop(deadlineMs)
      await ingress.close()
    },
  }
}
