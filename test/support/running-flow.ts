/** The real pipeline with flows, in this process, on an embedded log that outlives it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { brokerWriter } from '../../runtime/admin/broker-writer.ts'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { decodeRecord, encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker, type LogRecord } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import type { Log } from '../../runtime/contract/log-access.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'
import { openPipeline, type Pipeline } from '../../runtime/pipeline.ts'
import { createHttpSubscribers } from '../../runtime/subscriber/http/subscribers.ts'
import { createMetrics, type Metrics } from '../../runtime/telemetry/metrics.ts'
import { topologyOf } from '../../runtime/topology.ts'
import { eventually } from './eventually.ts'
import { bundleOf, manifestOf } from './isolate.ts'
import { PIPELINE_LIMITS } from './pipeline-limits.ts'
import { sampleTrigger } from './sample-manifest.ts'
import { SILENT } from './silent-log.ts'

export interface FlowProgram {
  topology: Partial<Topology>
  /** Source text by function. */
  functions: Record<string, string>
}

export const BROKER_TOPIC = sampleTrigger('x').topic

export async function logDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-flow-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export class RunningFlow {
  readonly broker: Broker
  readonly pipeline: Pipeline
  readonly metrics: Metrics
  /** As a process that is killed: nothing is finished, nothing more committed. */
  readonly kill: () => Promise<void>

  static async open(t: TestContext, dir: string, program: FlowProgram): Promise<RunningFlow> {
    const broker = await createEmbeddedBroker({ dir, partitions: 2 })
    const pool = await createIsolatePool({
      isolation: 'shared',
      log: SILENT,
      maxReplyBytes: 1024 * 1024,
    })
    const http = createHttpSubscribers({ maxReplyBytes: 1024 * 1024 })
    const metrics = createMetrics()
    const functions = await Promise.all(
      Object.entries(program.functions).map(async ([name, source]) => ({
        manifest: { ...manifestOf('events', name), triggers: [] },
        bundle: await bundleOf(source),
      })),
    )
    const pipeline = await openPipeline({
      broker,
      pool,
      http,
      functions,
      topology: topologyOf([], { brokers: [], triggers: [], flows: [], ...program.topology }),
      group: 'test',
      limits: {
        ...PIPELINE_LIMITS,
        commitIntervalMs: 100,
      },
      metrics,
      log: SILENT,
    })
    let closed: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await broker.close()
      await pool.close()
      await http.close(0)
      // What it would still like to write, a closed log does not take.
      await pipeline.stop(0)
    }
    const kill = (): Promise<void> => (closed ??= close())
    t.after(async () => {
      if (closed === undefined) await pipeline.stop(5_000)
      await kill()
    })
    const running = new RunningFlow({ broker, pipeline, metrics, kill })
    if (pipeline.disabled.size > 0) throw new Error([...pipeline.disabled.values()].join())
    await eventually(() => pipeline.consumer.troubles().length === 0, 'the pipeline is ready')
    return running
  }

  private constructor(parts: Pick<RunningFlow, 'broker' | 'pipeline' | 'metrics' | 'kill'>) {
    this.broker = parts.broker
    this.pipeline = parts.pipeline
    this.metrics = parts.metrics
    this.kill = parts.kill
  }

  get log(): Log {
    return { reader: this.broker, writer: brokerWriter(this.broker) }
  }

  /** Events of type `in`. */
  async send(events: ReadonlyArray<{ id: string; key?: string; data?: unknown }>): Promise<void> {
    const records = events.map(({ id, key, data = {} }) => {
      const event: Event = {
        attributes: { specversion: '1.0', id, source: '/test', type: 'in' },
        data: { kind: 'json', bytes: Buffer.from(JSON.stringify(data)) },
      }
      if (key !== undefined) event.attributes['partitionkey'] = key
      return encodeRecord(event, BROKER_TOPIC)
    })
    await appendAll(this.broker, records)
  }

  /** All of a topic, partition by partition; none where there is no such topic. */
  async events(topic: string): Promise<Event[]> {
    return (await this.records(topic)).map(decodeRecord)
  }

  async records(topic: string): Promise<LogRecord[]> {
    const [info] = await this.broker.topics([topic])
    const found: LogRecord[] = []
    for (let partition = 0; partition < (info?.partitions ?? 0); partition++) {
      const [range] = await this.broker.ranges([{ topic, partition }])
      for (let from = range?.start ?? 0; from < (range?.end ?? 0);) {
        const batch = await this.broker.read({ topic, partition }, from)
        found.push(...batch.records)
        from = batch.next
      }
    }
    return found
  }

  /** What handlers made, in the order of each partition, once there are so many. */
  replies(count: number): Promise<Event[]> {
    return eventually(async () => {
      const replies = (await this.events(BROKER_TOPIC)).filter(
        ({ attributes }) => attributes.type !== 'in',
      )
      return replies.length >= count ? replies : undefined
    }, `${count} replies`)
  }
}
