/**
 * The controller role: follows a cluster and writes what its resources amount to as one versioned
 * configuration, which the ingress and worker processes of the deployment follow. Nothing else in
 * Millrace talks to the Kubernetes API.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { backOff } from '../../runtime/backoff.ts'
import type { Broker } from '../../runtime/contract/broker.ts'
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { findingLine, type Finding } from '../read/resource.ts'
import { ApiServer } from './api-server.ts'
import { ConfigWriter } from './config-writer.ts'
import { EventReporter } from './event-reporter.ts'
import { Lease } from './lease.ts'
import { objectName, settle, type Settled } from './settle.ts'
import { ClusterWatch } from './watch-cluster.ts'
import { metadataOf, type KubernetesObject } from './watch-kind.ts'

export interface ControllerOptions {
  /** Of the deployment: its configuration's place, and that of the lease. */
  namespace: string
  app: string
  /** Those whose resources count; empty: all of the cluster. */
  watchNamespaces: readonly string[]
  /** Default: as kubectl finds it, or the pod's service account. */
  kubeconfig?: string
  broker: Broker
  functions: readonly FunctionManifest[]
  /** Addresses by `namespace/name`, for services that are not where the cluster's names point. */
  services: ReadonlyMap<string, string>
  log: Logger
}

export interface Controller {
  /** What keeps it from following the cluster, for `/readyz`; a controller that stands by has no trouble. */
  troubles(): string[]
  /** Idempotent, bounded in time. */
  close(): Promise<void>
}

/** Throws `FN_CLUSTER_CONFIG` where there is no cluster to be found. */
export function startController(options: ControllerOptions): Controller {
  const { namespace, app, kubeconfig } = options
  const log = options.log.child({ role: 'controller' })
  const api = new ApiServer(kubeconfig)
  const holder = `${hostname()}_${randomUUID()}`
  let term: Term | undefined
  const lease = new Lease({
    api,
    namespace,
    name: `${app}-controller`,
    holder,
    log,
    work: async (signal) => {
      term = new Term({ ...options, log }, api, new EventReporter({ api, holder, signal, log }))
      await term.run(signal)
      term = undefined
    },
  })
  return {
    troubles: () => [
      ...(lease.trouble === undefined ? [] : [lease.trouble]),
      ...(term?.troubles() ?? []),
    ],
    close: () => lease.close(),
  }
}

/** The time in which this process leads. */
class Term {
  readonly #options: ControllerOptions
  readonly #api: ApiServer
  readonly #reporter: EventReporter
  /** By `objectName`. */
  #lastGood = new Map<string, KubernetesObject>()
  /** What was said of each resource, so that it is said once. */
  #said = new Map<string, string>()
  #watch: ClusterWatch | undefined
  #trouble: string | undefined
  /** Counts what the watch tells; the configuration follows from the newest. */
  #changes = 0
  #wake: () => void = () => {}

  constructor(options: ControllerOptions, api: ApiServer, reporter: EventReporter) {
    this.#options = options
    this.#api = api
    this.#reporter = reporter
  }

  troubles(): string[] {
    return [
      ...(this.#trouble === undefined ? [] : [this.#trouble]),
      ...(this.#watch?.troubles() ?? []),
    ]
  }

  /** Until the signal aborts, or another controller has taken over the log. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, watchNamespaces } = this.#options
    this.#watch = new ClusterWatch({
      api: this.#api,
      namespaces: watchNamespaces,
      changed: () => {
        this.#changes += 1
        this.#wake()
      },
      log,
    })
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    try {
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          await this.#write(signal)
          return
        } catch (error) {
          if (isMillraceError(error, 'FN_BROKER_FENCED')) {
            log.warn('another controller writes the configuration')
            return
          }
          this.#trouble = `the configuration cannot be written: ${(error as Error).message}`
          log.warn({ error: this.#trouble }, 'trying again')
          await backOff(failures, signal)
        }
      }
    } finally {
      await this.#watch.close()
    }
  }

  /** A writer that failed is thrown away: what became of its last write, the next one reads. */
  async #write(signal: AbortSignal): Promise<void> {
    const writer = await ConfigWriter.open(this.#options)
    try {
      for (const object of writer.current?.resources ?? []) {
        const name = objectName(object)
        if (!this.#lastGood.has(name)) this.#lastGood.set(name, object)
      }
      // Never the number of a real change: what is known by now counts as news to a new writer.
      for (let done = -1; !signal.aborted;) {
        const changes = this.#changes
        if (changes !== done) await this.#compile(writer)
        done = changes
        await this.#changedSince(done, signal)
      }
    } finally {
      await writer.close()
    }
  }

  async #compile(writer: ConfigWriter): Promise<void> {
    const objects = this.#watch?.objects()
    if (objects === undefined) return
    const { functions, services, log } = this.#options
    const settled = settle(objects, { functions, services, lastGood: this.#lastGood })
    if ('unsettled' in settled) {
      const lines = settled.unsettled.map(findingLine)
      log.error({ problems: lines }, 'the configuration stays as it was')
      return
    }
    const before = writer.current?.version
    const kept = [...settled.used.values()].filter(isKept).map(trimmed)
    const version = await writer.write(settled.topology, kept)
    this.#trouble = undefined
    this.#lastGood = settled.used
    const { brokers, triggers, flows } = settled.topology
    if (version !== before) {
      log.info(
        {
          version,
          brokers: brokers.length,
          triggers: triggers.length,
          flows: flows.length,
          leftOut: settled.problems.size,
        },
        'configuration written',
      )
    }
    this.#report(objects, settled)
  }

  #report(objects: readonly KubernetesObject[], settled: Settled): void {
    const { log } = this.#options
    const said = new Map<string, string>()
    for (const object of objects) {
      const name = objectName(object)
      const problems = settled.problems.get(name)
      const notes = settled.notes.filter(({ place }) => place === name)
      const text = lines(problems ?? notes)
      if (text === '') continue
      said.set(name, `${problems === undefined ? 'note' : 'error'} ${text}`)
      if (said.get(name) === this.#said.get(name)) continue
      if (problems === undefined) {
        log.info({ resource: name, note: text }, 'a resource runs with a difference')
      } else {
        const stays = settled.used.has(name)
          ? 'the version before stays in force'
          : 'it is left out'
        log.warn({ resource: name, problem: text }, `a resource is wrong; ${stays}`)
        const message = `${text}; ${stays}`
        this.#reporter.report(object, { type: 'Warning', reason: 'NotApplied', message })
      }
    }
    for (const object of objects) {
      const name = objectName(object)
      const wasWrong = this.#said.get(name)?.startsWith('error') === true
      if (!wasWrong || said.get(name)?.startsWith('error') === true) continue
      log.info({ resource: name }, 'a resource is right again')
      this.#reporter.report(object, {
        type: 'Normal',
        reason: 'Applied',
        message: 'in force again',
      })
    }
    this.#said = said
  }

  async #changedSince(seen: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (signal.aborted || this.#changes !== seen) resolve()
    })
  }
}

function lines(findings: readonly Finding[]): string {
  return findings
    .map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    .join('; ')
}

/** Services are always good, and there may be many of them. */
function isKept(object: KubernetesObject): boolean {
  return object['kind'] !== 'Service'
}

/** What a configuration follows from, without what the API server and kubectl note down for themselves. */
function trimmed(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, spec, data } = object
  const { namespace, name, uid, annotations } = metadataOf(object)
  const status = object['status'] as { annotations?: unknown } | undefined
  const own = Object.entries((annotations ?? {}) as Record<string, unknown>).filter(
    ([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration',
  )
  return {
    apiVersion,
    kind,
    metadata: { namespace, name, uid, annotations: Object.fromEntries(own) },
    spec,
    data,
    ...(status?.annotations === undefined ? {} : { status: { annotations: status.annotations } }),
  }
}
