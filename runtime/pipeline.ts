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
  type TopicOptions,
  type TopicPartition,
} from './contract/broker.ts'
import type { Event } from './contract/event.ts'
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
import type { TriggerSet } from './consumer/consumer-options.ts'
import { unfinishedAfter } from './consumer/finished-offsets.ts'
import type { HttpSubscribers } from './subscriber/http/subscribers.ts'
import { Subscribers, type LoadedFunction } from './subscribers.ts'
import { Deliveries } from './deliveries.ts'
import { createParkingLot } from './dlq/parking-lot.ts'
import { isMillraceError } from './errors.ts'
import { invalidRecords, type InvalidRecordPolicy } from './invalid-records.ts'
import { Routes, type TopologyChange } from './routes.ts'
import { namespaceOf } from './topology.ts'
import { brokerWriter } from './admin/broker-writer.ts'
import { within } from './within.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface PipelineOptions {
  broker: Broker
  pool: IsolatePool
  http: HttpSubscribers
  functions: readonly LoadedFunction[]
  /** What is served at first; see `Pipeline.apply`. */
  topology: Topology
  /** The deployment's consumer group. */
  group: string
  /** The deployment's, for functions that no trigger gives one. Default `default`. */
  namespace?: string
  /** How topics of brokers are made, before what the brokers say. */
  topics?: Pick<TopicOptions, 'partitions' | 'replicationFactor'>
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
  /** Subscribers that could not be opened, with the reason; their triggers keep their place. */
  readonly disabled: ReadonlyMap<string, string>
  /** What is served, as it was given. */
  readonly topology: Topology
  /**
   * Serves another topology from now on and says what changed. Triggers that stay go on undisturbed.
   * Rejects when something of it cannot be opened, but for a function that does not load; then
   * everything goes on as before, apart from topics that were made.
   */
  apply(topology: Topology): Promise<TopologyChange>
  /** What this process remembers of a delivery; `trigger` is `namespace/name`. */
  delivery(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined
  /** Accepts and reads no more, finishes what runs, commits. */
  stop(deadlineMs: number): Promise<void>
}

/** How long a trigger that is removed has to end what runs. */
const RETIRE_MS = 1_000

export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const pipeline = new LivePipeline(options)
  await pipeline.open()
  return pipeline
}

class LivePipeline implements Pipeline {
  readonly #options: PipelineOptions
  readonly #topics: LazyTopics
  readonly #subscribers: Subscribers
  readonly #deliveries: Deliveries
  #routes: Routes
  /** Those that are about to be served, while they are opened. */
  #nextRoutes: Routes
  #ingress: Ingress | undefined
  #consumer: Consumer | undefined
  #applying: Promise<unknown> = Promise.resolve()

  constructor(options: PipelineOptions) {
    const { broker, pool, http, limits, metrics, log } = options
    this.#options = options
    this.#routes = new Routes(options.topology)
    this.#nextRoutes = this.#routes
    this.#topics = new LazyTopics(broker, (topic) => ({
      ...this.#nextRoutes.topicOptions(topic),
      ...options.topics,
    }))
    const functions = (): LoadedFunction[] => this.#functions()
    this.#subscribers = new Subscribers({
      pool,
      http,
      get functions() {
        return functions()
      },
    })
    this.#deliveries = new Deliveries({
      subscribers: this.#subscribers,
      flows: () => this.#nextRoutes.topology.flows,
      append: (records) => this.#topics.append(records),
      maxEventBytes: limits.maxEventBytes,
      metrics,
      log,
    })
  }

  async open(): Promise<void> {
    for (const topic of this.#routes.topics()) await this.#topics.ensure(topic)
    this.#ingress = await this.#openIngress()
    for (const trigger of this.#routes.triggers) await this.#deliveries.open(trigger)
    this.#consumer = this.#openConsumer()
    await this.#consumer.start()
  }

  get ingress(): Ingress {
    return opened(this.#ingress)
  }

  get consumer(): Consumer {
    return opened(this.#consumer)
  }

  get disabled(): ReadonlyMap<string, string> {
    return this.#deliveries.disabled
  }

  get topology(): Topology {
    return this.#routes.topology
  }

  delivery(trigger: string, at: TopicPartition, offset: number): DeliveryTrace | undefined {
    return this.#deliveries.trace(trigger, at, offset)
  }

  apply(topology: Topology): Promise<TopologyChange> {
    const turn = this.#applying.then(() => this.#apply(topology))
    this.#applying = turn.catch(() => {}) // its caller has it
    return turn
  }

  async stop(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.ingress.drain())
    await this.consumer.stop(deadlineMs)
    await this.ingress.close()
  }

  async #apply(topology: Topology): Promise<TopologyChange> {
    const before = this.#routes
    const next = new Routes(topology, before)
    const known = new Set(before.triggers)
    const fresh = next.triggers.filter((trigger) => !known.has(trigger))
    const staying = new Set(next.triggers)
    try {
      this.#nextRoutes = next
      await this.#prepare(next, fresh)
      await this.consumer.update(this.#triggerSet(next))
    } catch (error) {
      this.#nextRoutes = before
      for (const trigger of fresh) this.#deliveries.close(trigger)
      throw error
    }
    // Only now: an event that is taken for a new broker meets triggers whose start is written down.
    this.#routes = next
    for (const trigger of known) if (!staying.has(trigger)) this.#deliveries.close(trigger)
    return next.changeSince(before)
  }

  /** Everything that can fail. */
  async #prepare(next: Routes, fresh: readonly TriggerManifest[]): Promise<void> {
    for (const topic of next.topics()) await this.#topics.ensure(topic)
    this.#subscribers.forgetFailed()
    for (const trigger of fresh) {
      const failure = await this.#deliveries.open(trigger)
      if (failure !== undefined && !isMillraceError(failure, 'FN_HANDLER_INIT')) throw failure
    }
  }

  /** Those whose subscriber could be opened. */
  #triggerSet(routes: Routes): TriggerSet {
    return {
      triggers: routes.triggers.filter((trigger) => this.#deliveries.of(trigger) !== undefined),
      match: (topic, event) => routes.match(topic, event),
    }
  }

  #functions(): LoadedFunction[] {
    const { functions, namespace = 'default' } = this.#options
    return functions.map(({ manifest, bundle }) => {
      const own = namespaceOf(manifest, this.#nextRoutes.topology, namespace)
      return { manifest: { ...manifest, namespace: own }, bundle }
    })
  }

  /** HTTP → ingress → broker: events become records. */
  #openIngress(): Promise<Ingress> {
    const { broker, limits, metrics, log } = this.#options
    return createIngress({
      append: (records) => this.#topics.append(records),
      topicOf: (namespace, name) => this.#routes.topicOf(namespace, name),
      brokers: () => this.#routes.brokerNames(),
      trouble: () => broker.trouble(),
      maxEventBytes: limits.maxEventBytes,
      maxBufferBytes: limits.maxIngressBufferBytes,
      checkEvent: this.#options.checkEvent,
      metrics: metrics.ingress,
      log,
    })
  }

  /** broker → consumer → filter: each partition is read once, one index says which triggers an event is for. */
  #openConsumer(): Consumer {
    const { broker, group, limits, metrics, log } = this.#options
    const deliveries = this.#deliveries
    const append = (records: readonly AppendRecord[]): Promise<AppendResult[]> =>
      this.#topics.append(records)
    return new Consumer({
      broker,
      group,
      ...this.#triggerSet(this.#routes),
      ...invalidRecords(limits.invalidRecords, {
        append,
        kafkaSourceOf: (topic) => this.#routes.kafkaSourceOf(topic),
        log,
      }),
      openChannel: (channel) => openChannel(broker, deliveries, channel),
      ledger: (trigger) => metrics.forTrigger(triggerName(trigger)),
      settleDown: () => deliveries.settleDown(),
      goOn: () => deliveries.goOn(),
      retire: async (trigger) => {
        const delivery = deliveries.of(trigger)
        delivery?.retire()
        if (delivery !== undefined) await within(RETIRE_MS, delivery.idle())
      },
      setPaused: (trigger, paused) => deliveries.of(trigger)?.hold(paused),
      names: {
        retryTopic,
        transactionalId: (at) => `${group}.${partitionKey(at)}`,
        controlTopic: controlTopic(group),
      },
      ensureTopics: (records) => this.#topics.ensureFor(records),
      limits,
      log,
    })
  }
}

function opened<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the pipeline is not open')
  return part
}

/** Where dead letters keep their key's later events back, the delivery gets to know them. */
function openChannel(
  broker: Broker,
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
