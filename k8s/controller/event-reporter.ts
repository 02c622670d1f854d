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

export class EventReporter {
  readonly #api: ApiServer
  readonly #holder: string
  readonly #log: Logger

  constructor(api: ApiServer, holder: string, log: Logger) {
    this.#api = api
    this.#holder = holder
    this.#log = log
  }

  /** Never rejects: the same stands in the log. */
  async report(object: KubernetesObject, { type, reason, message }: Report): Promise<void> {
    const { name, namespace, uid, resourceVersion } = metadataOf(object)
    const now = new Date().toISOString()
    const digest = createHash('sha256')
      .update(`${now} ${String(uid)} ${message}`)
      .digest('hex')
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${String(name)}.${digest.slice(0, 16)}`, namespace },
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
      reportingInstance: this.#holder,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    }
    try {
      const path = `/api/v1/namespaces/${String(namespace)}/events`
      const { status, body } = await this.#api.ask('POST', path, { body: event })
      if (status !== 201) throw new RefusedError(status, body)
    } catch (error) {
      this.#log.warn({ error: (error as Error).message }, 'an Event could not be written')
    }
  }
}
