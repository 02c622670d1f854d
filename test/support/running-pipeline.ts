/** The real pipeline in this process: an embedded log, one function in its isolate. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { encodeRecord, decodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker, type TopicPartition } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'
import { openPipeline, type Pipeline } from '../../runtime/pipeline.ts'
import { createHttpSubscribers } from '../../runtime/subscriber/http/subscribers.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { createMetrics, type Metrics } from '../../runtime/telemetry/metrics.ts'
import { bundleOf, manifestOf } from './isolate.ts'
import { PIPELINE_LIMITS } from './pipeline-limits.ts'
import { sampleTrigger } from './sample-manifest.ts'
import { SILENT } from './silent-log.ts'

export interface Sent {
  id: string
  key: string
  data: unknown
}

export interface LogOptions {
  /** Default 1. */
  partitions?: number
  maxTransactors?: number
  /** Before the pipeline opens. */
  opened?: (broker: Broker) => void
}

export class RunningPipeline {
  readonly metrics: Metrics
  readonly pipeline: Pipeline
  readonly #broker: Broker
  readonly #topic: string
  readonly #group: string
  readonly #stop = new AbortController()
  readonly #waiting = new Map<string, () => void>()
  /** Causes of the replies, in the order of the log. */
  readonly answered: string[] = []

  /** Its trigger takes events of type `in`; `source` is the function's. Closed when the test ends. */
  static async open(
    t: TestContext,
    source: string,
    given: Partial<TriggerManifest> = {},
    log: LogOptions = {},
  ): Promise<RunningPipeline> {
    const { partitions = 1, maxTransactors } = log
    const opened: Array<() => Promise<void>> = []
    t.after(async () => {
      for (const close of opened.toReversed()) await close()
    })
    const dir = await mkdtemp(join(tmpdir(), 'millrace-pipeline-'))
    opened.push(() => rm(dir, { recursive: true, force: true }))
    const broker = await createEmbeddedBroker({ dir, partitions })
    opened.push(() => broker.close())
    log.opened?.(broker)
    const pool = await createIsolatePool({
      isolation: 'dedicated',
      log: SILENT,
      maxReplyBytes: 1024 * 1024,
    })
    opened.push(() => pool.close())
    const http = createHttpSubscribers({ maxReplyBytes: 1024 * 1024 })
    opened.push(() => http.close(0))
    const metrics = createMetrics()
    const trigger = { ...sampleTrigger('one'), filters: [{ exact: { type: 'in' } }], ...given }
    const manifest = { ...manifestOf(trigger.namespace, 'one'), triggers: [trigger] }
    const pipeline = await openPipeline({
      broker,
      pool,
      http,
      functions: [{ manifest, bundle: await bundleOf(source) }],
      topology: topologyOf([manifest]),
      group: 'test',
      limits: {
        ...PIPELINE_LIMITS,
        ...(maxTransactors === undefined ? {} : { maxTransactors }),
      },
      metrics,
      log: SILENT,
    })
    const running = new RunningPipeline({ broker, trigger, metrics, pipeline })
    opened.push(() => pipeline.stop(5_000))
    const following = running.#follow()
    opened.push(() => {
      running.#stop.abort()
      return following
    })
    return running
  }

  private constructor(parts: {
    broker: Broker
    trigger: TriggerManifest
    metrics: Metrics
    pipeline: Pipeline
  }) {
    this.metrics = parts.metrics
    this.pipeline = parts.pipeline
    this.#broker = parts.broker
    this.#topic = parts.trigger.topic
    this.#group = parts.trigger.group
  }

  async send(events: readonly Sent[]): Promise<void> {
    const records = events.map(({ id, key, data }) => {
      const bytes = Buffer.from(JSON.stringify(data))
      const event: Event = {
        attributes: { specversion: '1.0', id, source: '/test', type: 'in', partitionkey: key },
        data: { kind: 'json', bytes },
      }
      return encodeRecord(event, this.#topic)
    })
    await appendAll(this.#broker, records)
  }

  /** Sends and resolves, with the time it took in milliseconds, when a reply to each is in the log. */
  async answers(events: readonly Sent[]): Promise<number> {
    const startedAt = performance.now()
    const replies = events.map(
      ({ id }) => new Promise<void>((resolve) => this.#waiting.set(id, resolve)),
    )
    await this.send(events)
    await Promise.all(replies)
    return performance.now() - startedAt
  }

  /** The trigger's committed offset. */
  async committed(partition = 0): Promise<number | undefined> {
    const at = { topic: this.#topic, partition }
    return (await this.#broker.committed(this.#group, [at]))[0]?.offset
  }

  async #follow(): Promise<void> {
    const [info] = await this.#broker.topics([this.#topic])
    await Promise.all(
      Array.from({ length: info?.partitions ?? 0 }, (_, partition) => {
        return this.#followOne({ topic: this.#topic, partition })
      }),
    )
  }

  async #followOne(at: TopicPartition): Promise<void> {
    const { signal } = this.#stop
    let [position] = (await this.#broker.ranges([at])).map((range) => range.end)
    while (!signal.aborted) {
      try {
        const batch = await this.#broker.read(at, position ?? 0, { waitMs: 1_000, signal })
        position = batch.next
        for (const record of batch.records) this.#replied(decodeRecord(record))
      } catch (error) {
        if (!signal.aborted) throw error
      }
    }
  }

  #replied({ attributes }: Event): void {
    const cause = attributes['causationid']
    if (typeof cause !== 'string') return
    this.answered.push(cause)
    this.#waiting.get(cause)?.()
    this.#waiting.delete(cause)
  }
}
