/**
 * The way of an event, stage by stage:
 *
 *   ingress → broker → consumer → filter → isolate → delivery ─┬→ publish → broker
 *                                                              └→ dlq     → broker
 *
 * This file only wires the stages; none of them imports another. Read it first.
 */
import { partitionKey, type Broker, type TopicPartition } from './contract/broker.ts'
import type { ChannelOptions, DeliveryChannel } from './contract/delivery.ts'
import type { DeliveryTrace } from './contract/history.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type TriggerManifest } from './contract/manifest.ts'
import type { Topology } from './contract/topology.ts'
import type { IsolatePool } from './contract/work.ts'

import { createIngress, type Ingress } from './ingress/ingress.ts'
import { LazyTopics } from './broker/lazy-topics.ts'
import { controlTopic, retryTopic } from './broker/names.ts'
import { Consumer } from './consumer/consumer.ts'
import { unfinishedAfter } from './consumer/finished-offsets.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import type { HttpSubscribers } from './subscriber/http/subscribers.ts'
import { Subscribers, type LoadedFunction } from './subscribers.ts'
import { Deliveries } from './deliveries.ts'
import { createParkingLot } from './dlq/parking-lot.ts'
import { invalidRecords, type InvalidRecordPolicy } from './invalid-records.ts'
import { brokerWriter } from './admin/broker-writer.ts'
import { within } from './within.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface PipelineOptions {
  broker: Broker
  pool: IsolatePool
  http: HttpSubscribers
  functions: readonly LoadedFunction[]
  topology: Topology
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
  metrics: Metrics
  log: Logger
}

export interface Pipeline {
  ingress: Ingress
  consumer: Consumer
  /** Subscribers that could not be opened, with the reason; their triggers keep their place. */
  disabled: ReadonlyMap<string, string>
  /** What this process remembers of a delivery; `trigger` is `namespace/name`. */
  delivery(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined
  /** Accepts and reads no more, finishes what runs, commits. */
  stop(deadlineMs: number): Promise<void>
}

export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { topology, limits, metrics, log } = options
  const topics = new LazyTopics(options.broker)
  for (const { topic } of topology.brokers) await topics.ensure(topic)

  const ingress = await openIngress(options, topics)
  const deliveries = new Deliveries({
    subscribers: new Subscribers(options),
    flows: topology.flows,
    append: (records) => topics.append(records),
    maxEventBytes: limits.maxEventBytes,
    metrics,
    log,
  })
  for (const trigger of topology.triggers) await deliveries.open(trigger)
  const consumer = openConsumer(options, topics, deliveries)
  await consumer.start()

  return {
    ingress,
    consumer,
    disabled: deliveries.disabled,
    delivery: (trigger, at, offset) => deliveries.trace(trigger, at, offset),
    stop: async (deadlineMs) => {
      await within(deadlineMs, ingress.drain())
      await consumer.stop(deadlineMs)
      await ingress.close()
    },
  }
}

/** HTTP → ingress → broker: events become records. */
function openIngress(options: PipelineOptions, topics: LazyTopics): Promise<Ingress> {
  const { broker, topology, limits, metrics, log } = options
  const brokers = new Map(topology.brokers.map(({ name, topic }) => [name, topic]))
  return createIngress({
    append: (records) => topics.append(records),
    topicOf: (namespace, name) => brokers.get(`${namespace}/${name}`),
    brokers: () => [...brokers.keys()],
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
  topics: LazyTopics,
  deliveries: Deliveries,
): Consumer {
  const { broker, group, limits, metrics, log } = options
  const { triggers } = deliveries
  const byTopic = Map.groupBy(triggers, (trigger) => trigger.topic)
  const indexes = new Map<string, TriggerIndex<TriggerManifest>>()
  for (const [topic, own] of byTopic) {
    const entries = own.map((trigger) => ({ filters: trigger.filters, value: trigger }))
    indexes.set(topic, new TriggerIndex(entries))
  }
  const all = deliveries.all()
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
    setPaused: (trigger, paused) => deliveries.of(trigger)?.hold(paused),
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
  deliveries: Deliveries,
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
  const delivery = deliveries.of(trigger)
  if (delivery === undefined) throw new Error(`trigger ${triggerName(trigger)} has no delivery`)
  return delivery.open({ ...channel, lot })
}
