/**
 * Tells people what is wrong with a resource where they look for it: as a Kubernetes Event, which
 * `kubectl describe` shows. `status` is left alone: it belongs to Knative's controllers where they run.
 */
import { createHash } from 'node:crypto'
import type { Logger } from '../../runtime/contract/log.ts'
import { RefusedError, type ApiServer } from './api-server.ts'
import { metadataOf, type KubernetesObject } from './watch-kind.ts'

export interface Report {
  type: 'Normal' | 'Warning'
  reason: 'NotApplied' | 'Applied'
  message: string
}

const MAX_MESSAGE = 1_000

export interface EventReporterOptions {
  api: ApiServer
  /** This process. */
  holder: string
  /** Aborted, it reports nothing more. */
  signal: AbortSignal
  log: Logger
}

export class EventReporter {
  readonly #options: EventReporterOptions
  #queue: Promise<void> = Promise.resolve()

  constructor(options: EventReporterOptions) {
    this.#options = options
  }

  /** In turn, while work goes on: nobody waits for it, and the same stands in the log. */
  report(object: KubernetesObject, report: Report): void {
    this.#queue = this.#queue.then(() => this.#post(object, report))
  }

  async #post(object: KubernetesObject, { type, reason, message }: Report): Promise<void> {
    const { api, holder, signal, log } = this.#options
    if (signal.aborted) return
    const { name, namespace, uid, resourceVersion } = metadataOf(object)
    const now = new Date().toISOString()
    const digest = createHash('sha256')
      .update(`${now} ${String(uid)} ${message}`)
      .digest('hex')
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      // Room for what is added, within the 253 characters of a name.
      metadata: { name: `${String(name).slice(0, 200)}.${digest.slice(0, 16)}`, namespace },
      involvedObject: {
        apiVersion: object['apiVersion'],
        kind: object['kind'],
        name,
        namespace,
        uid,
        resourceVersion,
      },
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      source: { component: 'millrace-controller' },
      reportingComponent: 'millrace-controller',
      reportingInstance: holder,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    }
    try {
      const path = `/api/v1/namespaces/${String(namespace)}/events`
      const { status, body } = await api.ask('POST', path, { body: event, signal })
      if (status !== 201) throw new RefusedError(status, body)
    } catch (error) {
      if (!signal.aborted)
        log.warn({ error: (error as Error).message }, 'an Event could not be written')
    }
  }
}
