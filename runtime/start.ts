/**
 * Starts a whole runtime in this process and stops it again: the log, the isolates, the pipeline, and
 * the doors (ingress, metrics and health, admin).
 */
import { resolve } from 'node:path'
import { readBuild } from '../builder/manifest-file.ts'
import { serveAdmin } from './admin/server.ts'
import { createEmbeddedBroker } from './broker/embedded/broker.ts'
import { createKafkaBroker } from './broker/kafka/broker.ts'
import { membershipGroup } from './broker/names.ts'
import type { Config } from './config/schema.ts'
import type { Broker } from './contract/broker.ts'
import type { Logger } from './contract/log.ts'
import type { LagSample } from './contract/metrics.ts'
import type { FunctionBundle } from './contract/work.ts'
import { isMillraceError } from './errors.ts'
import { createIsolatePool } from './isolate/pool.ts'
import { openPipeline, type LoadedFunction, type Pipeline } from './pipeline.ts'
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.ts'
import { createHealthServer, type Readiness } from './telemetry/health-server.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { VERSION } from './version.ts'

export interface StartOptions {
  config: Config
  projectDir: string
  log: Logger
}

export interface Runtime {
  driver: Broker['driver']
  /** Base addresses. */
  ingress: string
  metrics: string
  admin: string
  pipeline: Pipeline
  broker: Broker
  readiness(): Readiness
  /** In reverse order of the start, within the configured deadline. Idempotent. */
  stop(): Promise<void>
}

/** How long a log may take to answer at the start before the process gives up. */
const LOG_DEADLINE_MS = 30_000

export async function startRuntime({ config, projectDir, log }: StartOptions): Promise<Runtime> {
  const functions = await loadFunctions(resolve(projectDir, config.build))
  const closers: Array<() => Promise<void>> = []
  const undo = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close()
  }
  let pipeline: Pipeline | undefined
  let broker: Broker | undefined
  let walls: string[] = []
  let stopping = false

  const readiness = (): Readiness => {
    const reasons = pipeline === undefined ? ['starting'] : pipeline.consumer.troubles()
    if (stopping) reasons.push('stopping')
    const trouble = broker?.trouble()
    if (trouble !== undefined) reasons.push(trouble)
    const ready = reasons.length === 0
    // A function that does not load must not take the ingress of all the others down.
    for (const [name, reason] of pipeline?.disabled ?? []) {
      reasons.push(`function ${name} is disabled: ${reason}`)
    }
    return { ready, reasons, walls }
  }

  try {
    const metrics = createMetrics({ log })
    const health = createHealthServer({ metrics, readiness, log })
    closers.push(() => health.close())
    const metricsAt = await health.listen({ host: config.host, port: config.metricsPort })

    const opened = await openLog(config, projectDir, log)
    broker = opened
    closers.push(() => opened.close())

    const pool = await createIsolatePool({
      isolation: config.isolation,
      log,
      maxReplyBytes: config.maxEventBytes,
    })
    closers.push(() => pool.close())
    walls = pool.walls()

    const open = await openPipeline({
      broker: opened,
      pool,
      functions,
      group: membershipGroup({ namespace: config.namespace, name: config.app }),
      limits: config,
      metrics,
      log,
    })
    pipeline = open
    closers.push(() => open.stop(config.shutdownDeadlineMs))
    metrics.atScrape({
      consumerLag: () => lagSamples(open),
      assignedPartitions: () => open.consumer.partitionCount,
    })

    const ingressAt = await open.ingress.listen({ host: config.host, port: config.port })
    const admin = resolve(projectDir, config.adminSocket)
    const adminServer = await serveAdmin({
      socket: admin,
      broker: opened,
      cursors: () => open.consumer.states(),
    })
    closers.push(() => adminServer.close())

    const runtime: Runtime = {
      driver: opened.driver,
      ingress: `http://${hostInUrl(ingressAt.address)}:${ingressAt.port}`,
      metrics: `http://${hostInUrl(metricsAt.address)}:${metricsAt.port}`,
      admin,
      pipeline: open,
      broker: opened,
      readiness,
      stop: async () => {
        stopping = true
        await undo()
      },
    }
    await whenReady(readiness)
    await writeRuntimeFile(projectDir, {
      pid: process.pid,
      version: VERSION,
      driver: opened.driver,
      ingress: runtime.ingress,
      metrics: runtime.metrics,
      admin,
    })
    closers.push(() => removeRuntimeFile(projectDir))
    return runtime
  } catch (error) {
    stopping = true
    await undo()
    throw error
  }
}

async function loadFunctions(buildDir: string): Promise<LoadedFunction[]> {
  const { manifest, bundles } = await readBuild(buildDir)
  return manifest.functions.map((one) => ({
    manifest: one,
    bundle: bundles.get(one.name) as FunctionBundle,
  }))
}

async function openLog(config: Config, projectDir: string, log: Logger): Promise<Broker> {
  if (config.brokers.length === 0) {
    return createEmbeddedBroker({
      dir: resolve(projectDir, config.data),
      log,
      ...(config.partitions === undefined ? {} : { partitions: config.partitions }),
    })
  }
  const broker = await createKafkaBroker({
    bootstrap: [...config.brokers],
    clientId: `millrace-${config.namespace}-${config.app}`,
    log,
    ...(config.partitions === undefined ? {} : { partitions: config.partitions }),
    ...(config.replicationFactor === undefined
      ? {}
      : { replicationFactor: config.replicationFactor }),
  })
  const until = Date.now() + LOG_DEADLINE_MS
  for (;;) {
    try {
      await broker.topics([])
      return broker
    } catch (error) {
      if (!isMillraceError(error, 'FN_BROKER_UNAVAILABLE') || Date.now() > until) {
        await broker.close()
        throw error
      }
      log.warn({ brokers: config.brokers.join(','), error: error.message }, 'waiting for Kafka')
      await pause(1_000)
    }
  }
}

function lagSamples(pipeline: Pipeline): LagSample[] {
  return pipeline.consumer.states().map(({ trigger, topic, partition, committed, end }) => ({
    trigger,
    topic,
    partition,
    lag: Math.max(0, end - committed),
  }))
}

/** Consuming begins a moment after the start, once partitions are assigned; troubles may stay. */
async function whenReady(readiness: () => Readiness): Promise<void> {
  const until = Date.now() + LOG_DEADLINE_MS
  while (!readiness().ready && Date.now() < until) await pause(20)
}

async function pause(waitMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, waitMs))
}

function hostInUrl(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
