/**
 * Everything in a cluster that a configuration follows from: the kinds of `kinds.ts`, and the ConfigMaps
 * that brokers name.
 */
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import type { ApiServer } from './api-server.ts'
import { FOLLOWED_KINDS, pathsOf, resourceName } from './kinds.ts'
import { KindWatch, metadataOf, type KubernetesObject } from './watch-kind.ts'

export interface ClusterWatchOptions {
  api: ApiServer
  /** Empty: all of the cluster. */
  namespaces: readonly string[]
  /** Called once after a burst of changes, from when everything is known on. */
  changed(): void
  log: Logger
}

/** `kubectl apply -f` of a file with many documents is one change. */
const QUIET_MS = 100
/** A stream of changes without a pause must not hold all of them back. */
const PATIENCE_MS = 500

export class ClusterWatch {
  readonly #options: ClusterWatchOptions
  readonly #kinds: KindWatch[]
  /** By `namespace/name`. */
  readonly #configMaps = new Map<string, KindWatch>()
  readonly #closing: Array<Promise<void>> = []
  #timer: NodeJS.Timeout | undefined
  #firstChangeAt: number | undefined
  #closed = false

  constructor(options: ClusterWatchOptions) {
    this.#options = options
    const { api, namespaces, log } = options
    const places = namespaces.length === 0 ? [undefined] : namespaces
    this.#kinds = places.flatMap((namespace) =>
      FOLLOWED_KINDS.map(
        (kind) =>
          new KindWatch({
            api,
            paths: pathsOf(kind, namespace),
            what: `${resourceName(kind)} in ${namespace ?? 'all namespaces'}`,
            changed: () => this.#changed(),
            log,
          }),
      ),
    )
  }

  /** Undefined until every kind is known. */
  objects(): KubernetesObject[] | undefined {
    if (this.troubles().length > 0) return undefined
    return [...this.#kinds, ...this.#configMaps.values()].flatMap((watch) => watch.objects())
  }

  /**
   * Why not everything is known yet, one line a kind. What may not be read is not taken for empty, since
   * that would stop all that runs; one ConfigMap that may not be read is its broker's matter alone.
   */
  troubles(): string[] {
    const line = ({ what, trouble }: KindWatch): string[] =>
      trouble === undefined || trouble.is === 'absent' ? [] : [`${what}: ${trouble.reason}`]
    const named = [...this.#configMaps.values()]
    return [
      ...this.#kinds.flatMap(line),
      ...named.filter(({ trouble }) => trouble?.is !== 'forbidden').flatMap(line),
    ]
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const watches = [...this.#kinds, ...this.#configMaps.values()]
    await Promise.all([...watches.map((watch) => watch.close()), ...this.#closing])
  }

  #changed(): void {
    if (this.#closed) return
    this.#followConfigMaps()
    const now = performance.now()
    this.#firstChangeAt ??= now
    clearTimeout(this.#timer)
    const waitMs = Math.min(QUIET_MS, Math.max(0, this.#firstChangeAt + PATIENCE_MS - now))
    this.#timer = setTimeout(() => {
      this.#firstChangeAt = undefined
      if (this.objects() !== undefined) this.#options.changed()
    }, waitMs)
  }

  /** A role that may read some ConfigMaps by name is enough: no other is asked for. */
  #followConfigMaps(): void {
    const named = new Set(this.#kinds.flatMap((kind) => kind.objects().flatMap(configMapOf)))
    for (const [key, watch] of this.#configMaps) {
      if (named.has(key)) continue
      this.#configMaps.delete(key)
      this.#closing.push(watch.close())
    }
    for (const key of named) {
      if (this.#configMaps.has(key)) continue
      const [namespace = '', name = ''] = key.split('/')
      const selector = new URLSearchParams({ fieldSelector: `metadata.name=${name}` })
      this.#configMaps.set(
        key,
        new KindWatch({
          api: this.#options.api,
          paths: [`/api/v1/namespaces/${namespace}/configmaps?${selector.toString()}`],
          what: `the ConfigMap ${key} of a broker`,
          changed: () => this.#changed(),
          log: this.#options.log,
        }),
      )
    }
  }
}

/** What Kubernetes takes as a name: it becomes part of a path. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

/** `namespace/name` of the ConfigMap that a Broker names. */
function configMapOf(object: KubernetesObject): string[] {
  if (object['kind'] !== 'Broker' || !isRecord(object['spec'])) return []
  const config = object['spec']['config']
  if (!isRecord(config) || config['kind'] !== 'ConfigMap') return []
  const { name, namespace = metadataOf(object)['namespace'] } = config
  const isName = (one: unknown): boolean => typeof one === 'string' && OBJECT_NAME.test(one)
  return isName(name) && isName(namespace) ? [`${String(namespace)}/${String(name)}`] : []
}
