/** A pipeline whose topology changes under a load, and what each trigger got of it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { brokerTopic, triggerGroup } from '../../runtime/broker/names.ts'
import { decodeRecord, encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker, type TopicPartition } from '../../runtime/contract/broker.ts'
import { DEFAULT_DELIVERY, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { openPipeline, type Pipeline } from '../../runtime/pipeline.ts'
import { createHttpSubscribers } from '../../runtime/subscriber/http/subscribers.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { createMetrics, type Metrics } from '../../runtime/telemetry/metrics.ts'
import { eventually } from './eventually.ts'
import { manifestOf } from './isolate.ts'
import { LocalPool, type Handle } from './local-pool.ts'
import { PIPELINE_LIMITS } from './pipeline-limits.ts'
import { SILENT } from './silent-log.ts'

const KEYS = 8

export interface Handled {
  trigger: string
  id: string
}

export class LiveBench {
  readonly broker: Broker
  readonly namespace: string
  /** All handler calls, in order. */
  readonly handled: Handled[] = []
  /** Ids that were sent, in order. */
  readonly sent: string[] = []
  readonly metrics: Metrics = createMetrics()
  /** Of each pipeline. */
  readonly pools: LocalPool[] = []
  /** What a handler does besides writing down that it was called. */
  handle: Handle = () => {}
  readonly #t: TestContext
  readonly #seen = new Map<string, number>()
  #loading: Promise<void> = Promise.resolve()
  #isLoading = false

  /** On an embedded log of its own with 4 partitions, unless a broker is given, which the caller closes. */
  static async open(
    t: TestContext,
    given?: { broker: Broker; namespace: string },
  ): Promise<LiveBench> {
    if (given !== undefined) return new LiveBench(t, given.broker, given.namespace)
    const dir = await mkdtemp(join(tmpdir(), 'millrace-live-'))
    const broker = await createEmbeddedBroker({ dir, partitions: 4 })
    t.after(async () => {
      await broker.close()
      await rm(dir, { recursive: true, force: true })
    })
    return new LiveBench(t, broker, 'live')
  }

  private constructor(t: TestContext, broker: Broker, namespace: string) {
    this.#t = t
    this.broker = broker
    this.namespace = namespace
  }

  /** `broker`: another connection to the same log. */
  async pipeline(topology: Topology, broker = this.broker): Promise<Pipeline> {
    const pool = new LocalPool((item) => {
      const id = item.event.attributes.id
      this.handled.push({ trigger: item.trigger, id })
      const key = `${item.trigger} ${id}`
      this.#seen.set(key, (this.#seen.get(key) ?? 0) + 1)
      return this.handle(item)
    })
    this.pools.push(pool)
    const http = createHttpSubscribers({ maxReplyBytes: 1024 * 1024 })
    this.#t.after(() => http.close(0))
    const bundle = { code: '', map: '' }
    const pipeline = await openPipeline({
      broker,
      pool,
      http,
      functions: ['one', 'two', 'broken'].map((name) => ({
        manifest: { ...manifestOf(this.namespace, name), namespace: '', triggers: [] },
        bundle,
      })),
      topology: topologyOf([], topology),
      group: `live-${this.namespace}`,
      limits: {
        ...PIPELINE_LIMITS,
        commitIntervalMs: 200,
      },
      metrics: this.metrics,
      log: SILENT,
    })
    this.#t.after(() => pipeline.stop(5_000))
    await eventually(() => pipeline.consumer.troubles().length === 0, 'the pipeline is ready')
    return pipeline
  }

  trigger(
    name: string,
    given: Partial<TriggerManifest> & { broker?: string } = {},
  ): TriggerManifest {
    const { broker = 'orders' } = given
    return {
      namespace: this.namespace,
      name,
      topic: brokerTopic({ namespace: this.namespace, name: broker }),
      group: triggerGroup({ namespace: this.namespace, name }),
      filters: [],
      ordering: 'key',
      concurrency: 64,
      startFrom: 'latest',
      delivery: DEFAULT_DELIVERY,
      subscriber: { kind: 'function', name: 'one' },
      ...given,
      broker: `${this.namespace}/${broker}`,
    }
  }

  topology(...triggers: TriggerManifest[]): Topology {
    const brokers = new Map(triggers.map(({ broker, topic }) => [broker, { name: broker, topic }]))
    return { brokers: [...brokers.values()], triggers, flows: [] }
  }

  /** Appends events of all keys; gives their ids. */
  async send(count: number, given: { broker?: string; type?: string } = {}): Promise<string[]> {
    const { broker = 'orders', type = 'in' } = given
    const topic = brokerTopic({ namespace: this.namespace, name: broker })
    const ids: string[] = []
    const records = Array.from({ length: count }, () => {
      const number = this.sent.length
      const key = `k${number % KEYS}`
      const id = `${key}-${number}`
      ids.push(id)
      this.sent.push(id)
      return encodeRecord(
        {
          attributes: { specversion: '1.0', id, source: '/live', type, partitionkey: key },
          data: undefined,
        },
        topic,
      )
    })
    await appendAll(this.broker, records)
    return ids
  }

  /** Sends without end until `endLoad`. */
  startLoad(): void {
    this.#isLoading = true
    const load = async (): Promise<void> => {
      while (this.#isLoading) {
        await this.send(40)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    this.#loading = load()
  }

  async endLoad(): Promise<void> {
    this.#isLoading = false
    await this.#loading
  }

  /** Until so many events more have been sent. */
  async flow(count = 400): Promise<void> {
    const until = this.sent.length + count
    await eventually(() => this.sent.length >= until, `${count} more events flow`)
  }

  idsOf(trigger: string): string[] {
    const name = `${this.namespace}/${trigger}`
    return this.handled.filter((one) => one.trigger === name).map(({ id }) => id)
  }

  countOf(trigger: string, id: string): number {
    return this.#seen.get(`${this.namespace}/${trigger} ${id}`) ?? 0
  }

  async handledAll(trigger: string, ids: readonly string[]): Promise<void> {
    await eventually(
      () => ids.every((id) => this.countOf(trigger, id) > 0),
      `${trigger} handles ${ids.length} events`,
    )
  }

  /** Each of these ids once, no other, and each key in its order. */
  async assertOnceInOrder(trigger: string, ids: readonly string[]): Promise<void> {
    await this.handledAll(trigger, ids)
    const got = this.idsOf(trigger)
    assert.deepEqual(got.toSorted(), ids.toSorted(), `${trigger} handles each event once`)
    for (const [key, own] of Map.groupBy(got, (id) => id.split('-')[0])) {
      const numbers = own.map((id) => Number(id.split('-')[1]))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        `${trigger} keeps the order of ${key}`,
      )
    }
  }

  /** Causes of the replies of type `of {trigger}`, once there are so many, and a little later. */
  async repliesOf(triggers: readonly string[], count: number): Promise<string[]> {
    const types = triggers.map((name) => `of ${this.namespace}/${name}`)
    const read = async (): Promise<string[]> => {
      const { topic } = this.trigger('any')
      const causes: string[] = []
      for (const { partition, end } of await this.broker.ranges(await this.#partitions(topic))) {
        for (let from = 0; from < end;) {
          const batch = await this.broker.read({ topic, partition }, from)
          for (const record of batch.records) {
            const { attributes } = decodeRecord(record)
            if (types.includes(attributes.type)) causes.push(String(attributes['causationid']))
          }
          from = batch.next
        }
      }
      return causes
    }
    await eventually(async () => (await read()).length >= count, `${count} replies`)
    return read()
  }

  async #partitions(topic: string): Promise<TopicPartition[]> {
    const [info] = await this.broker.topics([topic])
    return Array.from({ length: info?.partitions ?? 0 }, (_, partition) => ({ topic, partition }))
  }

  async committed(trigger: string): Promise<number> {
    const { topic, group } = this.trigger(trigger)
    const found = await this.broker.committed(group, await this.#partitions(topic))
    return found.reduce((sum, { offset }) => sum + (offset ?? 0), 0)
  }

  /** `consumed = outcomes + in flight`, as a scrape shows it. */
  async assertBooks(trigger: string): Promise<void> {
    const text = await this.metrics.render()
    const name = `trigger="${this.namespace}/${trigger}"`
    const sum = (metric: string): number =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${metric}{`) && line.includes(name))
        .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
    const consumed = sum('millrace_records_consumed_total')
    assert.ok(consumed > 0)
    assert.equal(consumed, sum('millrace_outcomes_total') + sum('millrace_in_flight'))
  }
}
