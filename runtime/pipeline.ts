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
  type LogRecord,
  type TopicPartition,
} from './contract/broker.ts'
import type { Event } from './contract/event.ts'
import type { Logger } from './contract/log.ts'
import { triggerName, type FunctionManifest, type TriggerManifest } from './contract/manifest.ts'
import type { Outcome } from './contract/outcome.ts'
import type { FunctionBundle, IsolatePool, WorkResult } from './contract/work.ts'

import { createIngress, type Ingress } from './ingress/ingress.ts'
import { controlTopic, deadLetterTopic, quarantineTopic, retryTopic } from './broker/names.ts'
import { Consumer } from './consumer/consumer.ts'
import { TriggerIndex } from './filter/trigger-index.ts'
import { TriggerDelivery, type TriggerDeliveryOptions } from './delivery/trigger-delivery.ts'
import { publishableReply } from './publish/publishable-reply.ts'
import { deadLetterRecord } from './dlq/dead-letter.ts'
import { keepInQuarantine, quarantineRecord } from './dlq/quarantine.ts'
import { checkGivenAttributes } from './codec/attributes.ts'
import { decodeRecord, encodeRecord } from './codec/record.ts'
import { wrapRecord } from './codec/wrap-record.ts'
import { isMillraceError } from './errors.ts'
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
    invalidRecords: 'quarantine' | 'wrap' | 'reject'
    /** Default 64. */
    maxTransactors?: number
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
  const consumer = openConsumer(options, topics, deliveries)
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
    decode: limits.invalidRecords === 'wrap' ? decodeOrWrap : decodeRecord,
    match: (topic, event) => indexes.get(topic)?.match(event) ?? [],
    openChannel: (channel) => (deliveries.get(channel.trigger) as TriggerDelivery).open(channel),
    refuse: (at, record, reason) => refuseRecord(options, topics, { at, record, reason }),
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

function decodeOrWrap(record: LogRecord, at: TopicPartition): Event {
  try {
    return decodeRecord(record)
  } catch (error) {
    if (isMillraceError(error)) return wrapRecord(record, at)
    throw error
  }
}

interface RefusedRecord {
  at: TopicPartition
  record: LogRecord
  reason: Error
}

/** consumer → dlq: a record that is no event. */
async function refuseRecord(
  { limits, log }: PipelineOptions,
  topics: LazyTopics,
  { at, record, reason }: RefusedRecord,
): Promise<Outcome> {
  if (limits.invalidRecords === 'reject') {
    log.warn(
      { ...at, offset: record.offset, error: reason.message },
      'a record that is no CloudEvent is dropped',
    )
    return 'dropped'
  }
  const kept = quarantineRecord(at, record, reason, quarantineTopic(at.topic))
  await keepInQuarantine((records) => topics.append(records), kept, log)
  return 'quarantined'
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
