/**
 * The way of an event, stage by stage:
 *
 *   ingress → broker → consumer → filter → isolate → delivery ─┬→ publish → broker
 *                                                              └→ dlq     → broker
 *
 * This file only wires the stages; none of them imports another. Read it first.
 */
import {
  partitionKey,
  type AppendRecord,
  type AppendResult,
  type Broker,
  type TopicPartition,
} from './contract/broker.ts'
import type { Event } from './contract/event.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import type { DeliveryTrace } from './contract/history.ts'
import type { ChannelOptions, DeliveryChannel } from './contract/delivery.ts'
import type { FunctionBundle, IsolatePool, WorkResult } from './contract/work.ts'

import { createIngress, type Ingress } from './ingress/ingress.ts'
import { controlTopic, deadLetterTopic, retryTopic } from './broker/names.ts'
import { Consumer } from './consumer/consumer.ts'
import { unfinishedAfter } from './consumer/finished-offsets.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import { DeliveryHistory } from './delivery/history.ts'
import { TriggerDelivery, type TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { publishableReply } from './publish/publishable-reply.ts'
import { deadLetterRecord } from './dlq/dead-letter.ts'
import { DEAD_LETTER_HEADERS, headerText } from './dlq/headers.ts'
import { createParkingLot } from './dlq/parking-lot.ts'
import { checkGivenAttributes } from './codec/attributes.ts'
import { encodeRecord } from './codec/record.ts'
import { invalidRecords, type InvalidRecordPolicy } from './invalid-records.ts'
import { brokerWriter } from './admin/broker-writer.ts'
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
    maxUnfinishedOffsets: number
    commitIntervalMs: number
    invalidRecords: InvalidRecordPolicy
    /** Default 64. */
    maxTransactors?: number
  }
  /** What the ingress asks of each event; throws for one that it refuses. */
  checkEvent?: ((event: Event) => void) | undefined
  metrics: Metrics
  log: Logger
}

export interface Pipeline {
  ingress: Ingress
  consumer: Consumer
  /** Functions that could not be loaded, with the reason; their triggers keep their place. */
  disabled: ReadonlyMap<string, string>
  /** What this process remembers of a delivery; `trigger` is `namespace/name`. */
  delivery(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined
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
  const { deliveries, histories, disabled } = await openDeliveries(options, append)
  const consumer = openConsumer(options, topics, deliveries)
  await consumer.start()

  return {
    ingress,
    consumer,
    disabled,
    delivery: (trigger, at, offset) => histories.get(trigger)?.find(at.topic, at.partition, offset),
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
    checkEvent: options.checkEvent,
    metrics: metrics.ingress,
    log,
  })
}

/** broker → consumer → filter: each partition is read once, one index says which triggers an event is for. */
function openConsumer(
  options: PipelineOptions,
  topics: LazyTopics,
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
    ...invalidRecords(limits.invalidRecords, { append: (records) => topics.append(records), log }),
    match: (topic, event) => indexes.get(topic)?.match(event) ?? [],
    openChannel: (channel) => openChannel(options, deliveries, channel),
    ledger: (trigger) => metrics.forTrigger(triggerName(trigger)),
    settleDown: async () => {
      for (const delivery of all) delivery.pause()
      await Promise.all(all.map((delivery) => delivery.idle()))
    },
    goOn: () => {
      for (const delivery of all) delivery.resume()
    },
    setPaused: (trigger, paused) => deliveries.get(trigger)?.hold(paused),
    names: {
      retryTopic,
      transactionalId: (at) => `${group}.${partitionKey(at)}`,
      controlTopic: controlTopic(group),
    },
    ensureTopics: (records) => topics.ensureFor(records),
    limits,
    log,
  })
}

/** Where dead letters keep their key's later events back, the delivery gets to know them. */
function openChannel(
  { broker }: PipelineOptions,
  deliveries: ReadonlyMap<TriggerManifest, TriggerDelivery>,
  channel: ChannelOptions,
): DeliveryChannel {
  const { trigger, partition, topic } = channel
  const parks = trigger.delivery.onDeadLetter === 'park' && topic === trigger.topic
  const lot = parks
    ? createParkingLot({
        broker,
        log: { reader: broker, writer: brokerWriter(broker) },
        trigger,
        partition,
        unfinished: unfinishedAfter,
      })
    : undefined
  return (deliveries.get(trigger) as TriggerDelivery).open({ ...channel, lot })
}

interface Deliveries {
  deliveries: Map<TriggerManifest, TriggerDelivery>
  /** By trigger. */
  histories: Map<string, DeliveryHistory>
  disabled: Map<string, string>
}

/** isolate → delivery: each function in its isolate, each trigger with lanes of its own. */
async function openDeliveries(options: PipelineOptions, append: Append): Promise<Deliveries> {
  const deliveries = new Map<TriggerManifest, TriggerDelivery>()
  const histories = new Map<string, DeliveryHistory>()
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
        const name = triggerName(trigger)
        const history = new DeliveryHistory(name)
        histories.set(name, history)
        const delivery = new TriggerDelivery({
          ...outputsOf(manifest, trigger, options.limits.maxEventBytes),
          trigger,
          runner,
          append,
          metrics: options.metrics.forTrigger(name),
          history,
          log: options.log,
          nextId,
          replayOf: (record) => headerText(record, DEAD_LETTER_HEADERS.replayOf),
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
  return { deliveries, histories, disabled }
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
