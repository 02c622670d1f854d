/**
 * Keeps what one path of the API server lists: all objects of a kind, in one namespace or in all, or the
 * one ConfigMap of a field selector.
 *
 * List, then watch from the list's version. A watch that ends or breaks is taken up from the last version
 * that was seen. What the server refuses, above all a version that it no longer has (410), begins with a
 * list again, and so does every watch now and then, whatever it says.
 */
import { backOff, pause } from '../../runtime/backoff.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import { RefusedError, type ApiServer } from './api-server.ts'

/** As the API server has it. */
export type KubernetesObject = Record<string, unknown>

export interface KindWatchOptions {
  api: ApiServer
  /** Tried in this order; the first that the cluster serves is followed. Each may end in a query. */
  paths: readonly string[]
  /** For messages: `triggers.eventing.knative.dev in all namespaces`. */
  what: string
  /** Something is different, or known for the first time. */
  changed(): void
  log: Logger
}

/** What stands between this watch and the truth. */
export type KindTrouble =
  /** Not listed yet. */
  | { is: 'unknown'; reason: string }
  /** Not listed, because RBAC forbids it. */
  | { is: 'forbidden'; reason: string }
  /** The cluster does not know the kind: its CRD is not installed. */
  | { is: 'absent' }

const PAGE_OBJECTS = 500
/** The server ends a watch after this long, after telling the newest version. */
const WATCH_S = 240
/** Bookmarks come every minute; without them a quiet watch is taken up anew, which costs nothing. */
const IDLE_MS = 90_000
const RELIST_MS = 600_000
const PAUSE_MS = 100
/** Such as a version from a time before etcd was restored, which the server waits for. */
const FAILURES_BEFORE_RELIST = 10
const GONE = 'the server has forgotten the version that was seen last; listing again'
/** How soon a CRD that is installed later is seen. */
const ABSENT_MS = 3_000
/** A server that starts may not know its CRDs yet: what was there is gone only after so many answers. */
const ABSENT_ANSWERS = 3

export class KindWatch {
  readonly #options: KindWatchOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #objects = new Map<string, KubernetesObject>()
  #trouble: KindTrouble | undefined = { is: 'unknown', reason: 'not listed yet' }
  #absentAnswers = 0
  /** The path that the cluster serves, once one does. */
  #path: string | undefined
  #version = ''
  /** In a row. */
  #failures = 0
  /** The last failure that people were told; none while all is well. */
  #said: string | undefined

  constructor(options: KindWatchOptions) {
    this.#options = options
    this.#done = this.#follow()
  }

  get what(): string {
    return this.#options.what
  }

  /** Undefined once it was listed; what it was stays known through later failures. */
  get trouble(): KindTrouble | undefined {
    return this.#trouble
  }

  objects(): KubernetesObject[] {
    return [...this.#objects.values()]
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    for (let relistAt = 0; !signal.aborted;) {
      try {
        if (performance.now() >= relistAt) {
          if (!(await this.#list())) {
            await pause(ABSENT_MS, signal)
            continue
          }
          relistAt = performance.now() + RELIST_MS
        }
        await this.#watchOnce()
        this.#failures = 0
        // A server that ends every watch at once is not asked without a break.
        await pause(PAUSE_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        // A broken connection, or a server that starts or is busy, leaves the version good.
        if (isRefusal(error) || this.#failures >= FAILURES_BEFORE_RELIST) relistAt = 0
        if (isGone(error)) this.#options.log.debug({ kind: this.what }, GONE)
        else this.#failed(error)
        await backOff(this.#failures++, signal)
      }
    }
  }

  /** False where the cluster does not serve the kind. */
  async #list(): Promise<boolean> {
    for (const path of this.#path === undefined ? this.#options.paths : [this.#path]) {
      const listed = await this.#pages(path)
      if (listed === undefined) continue
      this.#path = path
      this.#absentAnswers = 0
      this.#version = listed.version
      this.#learn(listed.objects, undefined)
      return true
    }
    this.#path = undefined
    this.#absentAnswers += 1
    if (this.#objects.size === 0 || this.#absentAnswers >= ABSENT_ANSWERS) {
      this.#learn(new Map(), { is: 'absent' })
    }
    return false
  }

  /** Undefined for a path that the server does not have. */
  async #pages(
    path: string,
  ): Promise<{ objects: Map<string, KubernetesObject>; version: string } | undefined> {
    const objects = new Map<string, KubernetesObject>()
    for (let more = ''; ;) {
      const query = more === '' ? {} : { continue: more }
      const url = withQuery(path, { limit: PAGE_OBJECTS, ...query })
      const { status, body } = await this.#options.api.ask('GET', url, {
        signal: this.#stop.signal,
      })
      if (status === 404) return undefined
      if (status !== 200) throw new RefusedError(status, body)
      for (const item of Array.isArray(body['items']) ? body['items'] : []) {
        // Lists of the core group leave out what the list itself says.
        const object = {
          apiVersion: body['apiVersion'],
          kind: String(body['kind']).replace(/List$/, ''),
          ...(item as KubernetesObject),
        }
        objects.set(keyOf(object), object)
      }
      const metadata = isRecord(body['metadata']) ? body['metadata'] : {}
      more = textOf(metadata['continue'])
      if (more === '') return { objects, version: textOf(metadata['resourceVersion']) }
    }
  }

  /** Until the server ends the watch, as it does every few minutes. */
  async #watchOnce(): Promise<void> {
    const { signal } = this.#stop
    const url = withQuery(this.#path ?? '', {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      timeoutSeconds: WATCH_S,
    })
    for await (const line of this.#options.api.lines(url, { idleMs: IDLE_MS, signal })) {
      this.#take(line)
      this.#failures = 0
      this.#said = undefined
    }
  }

  #take(line: string): void {
    const event = JSON.parse(line) as { type?: string; object?: KubernetesObject }
    const object = event.object ?? {}
    if (event.type === 'ERROR') throw new RefusedError(Number(object['code'] ?? 0), object)
    const version = textOf(metadataOf(object)['resourceVersion'])
    if (version !== '') this.#version = version
    if (event.type === 'BOOKMARK') return
    if (event.type === 'DELETED') this.#objects.delete(keyOf(object))
    else this.#objects.set(keyOf(object), object)
    this.#options.changed()
  }

  #learn(objects: Map<string, KubernetesObject>, trouble: KindTrouble | undefined): void {
    const { log, what } = this.#options
    const isNews = this.#trouble?.is !== trouble?.is
    const isDifferent = isNews || !sameVersions(this.#objects, objects)
    this.#objects = objects
    this.#trouble = trouble
    if (isNews && trouble === undefined) log.debug({ kind: what }, 'watching')
    if (isNews && trouble?.is === 'absent') {
      log.info({ kind: what }, 'the cluster does not have this kind; looking again')
    }
    if (isDifferent) this.#options.changed()
  }

  #failed(error: unknown): void {
    const { log, what } = this.#options
    const reason = String(error instanceof Error ? error.message : error)
    const isForbidden = error instanceof RefusedError && error.status === 403
    if (this.#trouble?.is === 'unknown' && isForbidden) {
      this.#learn(new Map(), { is: 'forbidden', reason })
    } else if (this.#trouble?.is === 'unknown') {
      this.#trouble = { is: 'unknown', reason }
    }
    const fields = { kind: what, error: reason }
    // A server that restarts breaks every watch once: that is no matter yet. The rest is said once.
    const isNews = reason !== this.#said && (this.#failures > 0 || isForbidden)
    if (isNews) this.#said = reason
    if (isNews) log.warn(fields, 'the API server cannot be followed; trying again')
    else log.debug(fields, 'a watch broke; going on')
  }
}

export function metadataOf(object: KubernetesObject): Record<string, unknown> {
  return isRecord(object['metadata']) ? object['metadata'] : {}
}

function keyOf(object: KubernetesObject): string {
  const { namespace, name } = metadataOf(object)
  return `${textOf(namespace)}/${textOf(name)}`
}

function isRefusal(error: unknown): boolean {
  return error instanceof RefusedError && error.status < 500 && error.status !== 429
}

function isGone(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 410
}

function sameVersions(
  left: ReadonlyMap<string, KubernetesObject>,
  right: ReadonlyMap<string, KubernetesObject>,
): boolean {
  const version = (object: KubernetesObject | undefined): unknown =>
    object && metadataOf(object)['resourceVersion']
  return (
    left.size === right.size &&
    [...right].every(([key, object]) => version(left.get(key)) === version(object))
  )
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function withQuery(path: string, query: Record<string, string | number>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value))
  return `${path}${path.includes('?') ? '&' : '?'}${parameters.toString()}`
}
