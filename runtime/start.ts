/**
 * Starts a whole runtime in this process and stops it again: the log, the isolates, the pipeline, and
 * the doors (ingress, metrics and health, admin).
 */
import { resolve } from 'node:path'
import { readBuild } from '../builder/manifest-file.ts'
import { serveAdmin } from './admin/server.ts'
import { membershipGroup } from './broker/names.ts'
import type { Config } from './config/schema.ts'
import type { Broker } from './contract/broker.ts'
import type { CursorState } from './contract/cursor-state.ts'
import type { Logger } from './contract/log.ts'
import type { FunctionManifest, Manifest } from './contract/manifest.ts'
import type { LagSample } from './contract/metrics.ts'
import type { Topology } from './contract/topology.ts'
import type { FunctionBundle } from './contract/work.ts'
import { isMillraceError } from './errors.ts'
import { createIsolatePool } from './isolate/pool.ts'
import { openPipeline, type Pipeline, type PipelineOptions } from './pipeline.ts'
import { openClusterParts, servedBy, type ClusterParts } from './roles.ts'
import type { TopologyChange } from './routes.ts'
import type { DataCheck } from './schemas/data-check.ts'
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.ts'
import { createHttpSubscribers } from './subscriber/http/subscribers.ts'
import type { LoadedFunction } from './subscribers.ts'
import { createHealthServer, type Readiness } from './telemetry/health-server.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { topologyOf } from './topology.ts'
import { VERSION } from './version.ts'

export interface StartOptions {
  config: Config
  projectDir: string
  log: Logger
  /** What is declared beside the functions. Default: nothing. */
  declared?: Topology
  /** There is no build to read: all that is served is declared. */
  withoutBuild?: boolean
}

export interface Runtime {
  driver: Broker['driver']
  /** Base addresses; empty without the role `ingress`. */
  ingress: string
  metrics: string
  admin: string
  pipeline: Pipeline
  broker: Broker
  /**
   * Serves what is declared beside the functions (YAML) from now on, in place of what was before; says what
   * changed. Rejects as `Pipeline.apply` does, and with `FN_NAME_CLASH`; then everything stays as it was.
   */
  apply(declared: Topology): Promise<TopologyChange>
  readiness(): Readiness
  /** In reverse order of the start, within the configured deadline. Idempotent. */
  stop(): Promise<void>
}

/** As Knative's `default.topic.partitions`. */
const KAFKA_PARTITIONS = 10
/** How long a log may take to answer at the start before the process gives up. */
const LOG_DEADLINE_MS = 30_000

export async function startRuntime(options: StartOptions): Promise<Runtime> {
  const startup = new Startup(options)
  try {
    return await startup.run()
  } catch (error) {
    await startup.undo()
    throw error
  }
}

/** What is open so far, and how to close it again. */
class Startup {
  readonly #options: StartOptions
  /** Closed in reverse order. */
  readonly #open: Array<() => Promise<void>> = []
  readonly #metrics: Metrics
  #broker: Broker | undefined
  #pipeline: Pipeline | undefined
  #cluster: ClusterParts | undefined
  #walls: string[] = []
  #stopping = false
  #undone: Promise<void> | undefined

  constructor(options: StartOptions) {
    this.#options = options
    this.#metrics = createMetrics({ log: options.log })
  }

  async run(): Promise<Runtime> {
    const { config, projectDir, log, withoutBuild = false } = this.#options
    const { functions, schemas } = withoutBuild
      ? NO_BUILD
      : await loadBuild(resolve(projectDir, config.build))
    const checkEvent = await eventCheck(schemas, this.#options)
    const metricsAt = await this.#serveHealth()
    const broker = await openLog(config, projectDir, log)
    this.#broker = broker
    this.#open.push(() => broker.close())
    const pipeline = await this.#openPipeline(broker, { functions, checkEvent })
    const apply = (declared: Topology): Promise<TopologyChange> =>
      pipeline.apply(servedBy(config.role, topologyOf(manifestsOf(functions), declared)))
    const ingressAt = config.role.includes('ingress')
      ? urlOf(await pipeline.ingress.listen({ host: config.host, port: config.port }))
      : ''
    const admin = await this.#serveAdmin(broker, pipeline)
    await this.#openClusterParts(broker, functions, apply)
    await whenReady(() => this.#readiness())

    const addresses = { ingress: ingressAt, metrics: urlOf(metricsAt), admin }
    await writeRuntimeFile(projectDir, {
      pid: process.pid,
      version: VERSION,
      driver: broker.driver,
      ...addresses,
    })
    this.#open.push(() => removeRuntimeFile(projectDir))
    return {
      ...addresses,
      driver: broker.driver,
      broker,
      pipeline,
      apply,
      readiness: () => this.#readiness(),
      stop: () => this.undo(),
    }
  }

  undo(): Promise<void> {
    this.#stopping = true
    this.#undone ??= this.#closeAll()
    return this.#undone
  }

  async #closeAll(): Promise<void> {
    for (let close = this.#open.pop(); close !== undefined; close = this.#open.pop()) {
      try {
        await close()
      } catch (error) {
        // The others have to be closed all the same.
        this.#options.log.error({ err: error }, 'closing failed')
      }
    }
  }

  async #serveHealth(): Promise<Address> {
    const { config, log } = this.#options
    const readiness = (): Readiness => this.#readiness()
    const health = createHealthServer({ metrics: this.#metrics, readiness, log })
    this.#open.push(() => health.close())
    return health.listen({ host: config.host, port: config.metricsPort })
  }

  async #openPipeline(
    broker: Broker,
    given: Pick<PipelineOptions, 'functions' | 'checkEvent'>,
  ): Promise<Pipeline> {
    const { config, log } = this.#options
    const pool = await createIsolatePool({
      isolation: config.isolation,
      log,
      maxReplyBytes: config.maxEventBytes,
      onKill: (name, reason) => this.#metrics.isolateKilled(name, reason),
    })
    this.#open.push(() => pool.close())
    this.#walls = pool.walls()
    const http = createHttpSubscribers({ maxReplyBytes: config.maxEventBytes })
    this.#open.push(() => http.close(0))
    const pipeline = await openPipeline({
      broker,
      pool,
      http,
      ...given,
      topology: servedBy(
        config.role,
        topologyOf(manifestsOf(given.functions), this.#options.declared),
      ),
      namespace: config.namespace,
      topics: {
        ...(config.partitions === undefined ? {} : { partitions: config.partitions }),
        ...(config.replicationFactor === undefined
          ? {}
          : { replicationFactor: config.replicationFactor }),
      },
      group: membershipGroup({ namespace: config.namespace, name: config.app }),
      limits: config,
      metrics: this.#metrics,
      log,
    })
    this.#pipeline = pipeline
    this.#open.push(() => pipeline.stop(config.shutdownDeadlineMs))
    this.#metrics.atScrape({
      consumerLag: () => lagSamples(pipeline),
      assignedPartitions: () => pipeline.consumer.partitionCount,
      workerRssBytes: () => pool.workerRssBytes(),
    })
    return pipeline
  }

  async #serveAdmin(broker: Broker, pipeline: Pipeline): Promise<string> {
    const socket = resolve(this.#options.projectDir, this.#options.config.adminSocket)
    const cursors = (): CursorState[] => pipeline.consumer.states()
    const server = await serveAdmin({
      socket,
      broker,
      cursors,
      topology: () => pipeline.topology,
      deliveries: ({ trigger, offset, ...at }) => pipeline.delivery(trigger, at, offset),
    })
    this.#open.push(() => server.close())
    return socket
  }

  async #openClusterParts(
    broker: Broker,
    functions: LoadedFunction[],
    apply: (declared: Topology) => Promise<TopologyChange>,
  ): Promise<void> {
    const { config, log } = this.#options
    const manifests = manifestsOf(functions)
    const parts = await openClusterParts({ config, broker, functions: manifests, apply, log })
    this.#cluster = parts
    this.#open.push(() => parts.close())
  }

  #readiness(): Readiness {
    const reasons = this.#pipeline === undefined ? ['starting'] : this.#pipeline.consumer.troubles()
    reasons.push(...(this.#cluster?.reasons() ?? []))
    if (this.#stopping) reasons.push('stopping')
    const trouble = this.#broker?.trouble()
    if (trouble !== undefined) reasons.push(trouble)
    const ready = reasons.length === 0
    // A function that does not load must not take the ingress of all the others down.
    for (const [name, reason] of this.#pipeline?.disabled ?? []) {
      reasons.push(`function ${name} is disabled: ${reason}`)
    }
    return { ready, reasons, walls: this.#walls }
  }
}

interface LoadedBuild {
  functions: LoadedFunction[]
  schemas: NonNullable<Manifest['schemas']>
}

const NO_BUILD: LoadedBuild = { functions: [], schemas: {} }

async function loadBuild(buildDir: string): Promise<LoadedBuild> {
  const { manifest, bundles } = await readBuild(buildDir)
  const functions = manifest.functions.map((one) => ({
    manifest: one,
    bundle: bundles.get(one.name) as FunctionBundle,
  }))
  return { functions, schemas: manifest.schemas ?? {} }
}

async function eventCheck(
  schemas: LoadedBuild['schemas'],
  { config, log }: StartOptions,
): Promise<DataCheck | undefined> {
  if (config.validate === 'off') return undefined
  if (Object.keys(schemas).length === 0) {
    log.warn({ validate: config.validate }, 'nothing is checked: the build has no schemas')
    return undefined
  }
  // Most runtimes do without the validator's import.
  const { createDataCheck } = await import('./schemas/data-check.ts')
  return createDataCheck(schemas)
}

function manifestsOf(functions: readonly LoadedFunction[]): FunctionManifest[] {
  return functions.map(({ manifest }) => manifest)
}

/** Loads the driver that is used and no other: Kafka's takes as long as all the rest of a start. */
async function openLog(config: Config, projectDir: string, log: Logger): Promise<Broker> {
  if (config.brokers.length === 0) {
    const { createEmbeddedBroker } = await import('./broker/embedded/broker.ts')
    return createEmbeddedBroker({
      dir: resolve(projectDir, config.data),
      log,
      ...(config.partitions === undefined ? {} : { partitions: config.partitions }),
    })
  }
  const { createKafkaBroker } = await import('./broker/kafka/broker.ts')
  const broker = await createKafkaBroker({
    bootstrap: [...config.brokers],
    clientId: `millrace-${config.namespace}-${config.app}`,
    log,
    partitions: config.partitions ?? KAFKA_PARTITIONS,
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

interface Address {
  address: string
  port: number
}

function urlOf({ address, port }: Address): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}
