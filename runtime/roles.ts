/**
 * What one process of a deployment does. By default one process does everything; in a cluster the roles
 * have pods of their own, and only the controller's may talk to the Kubernetes API.
 */
import type { Config } from './config/schema.ts'
import { servicesOf } from './config/services.ts'
import type { Broker } from './contract/broker.ts'
import type { Logger } from './contract/log.ts'
import type { FunctionManifest } from './contract/manifest.ts'
import { EMPTY_TOPOLOGY, type Topology } from './contract/topology.ts'
import { MillraceError } from './errors.ts'
import { TopologyFollower } from './follow-topology.ts'

type Roles = Config['role']

/** What a process of these roles serves: an ingress needs the brokers, a worker all of it. */
export function servedBy(roles: Roles, topology: Topology): Topology {
  if (roles.includes('worker')) return topology
  return { ...EMPTY_TOPOLOGY, brokers: roles.includes('ingress') ? topology.brokers : [] }
}

export interface ClusterPartsOptions {
  config: Config
  broker: Broker
  functions: readonly FunctionManifest[]
  /** Serves what is declared beside the functions. */
  apply(declared: Topology): Promise<unknown>
  log: Logger
}

export interface ClusterParts {
  /** Why this process is not ready, for `/readyz`. */
  reasons(): string[]
  close(): Promise<void>
}

/** What concerns a cluster: following the configuration, and writing it. Either may be absent. */
export async function openClusterParts(options: ClusterPartsOptions): Promise<ClusterParts> {
  const { config, broker, log } = options
  const { namespace, app, role: roles } = config
  const serves = roles.includes('worker') || roles.includes('ingress')
  const controller = roles.includes('controller') ? await openController(options) : undefined
  const follower =
    serves && config.resourcesFrom === 'cluster'
      ? new TopologyFollower({
          broker,
          namespace,
          app,
          log,
          apply: async (topology) => {
            refuseWithoutFunctions(topology, options)
            await options.apply(topology)
          },
        })
      : undefined
  return {
    reasons: () => {
      const waiting = follower?.waiting()
      return [...(controller?.troubles() ?? []), ...(waiting === undefined ? [] : [waiting])]
    },
    close: async () => {
      await controller?.close()
      await follower?.close()
    },
  }
}

/**
 * Events for functions would wait here while the process calls itself ready: it has been given another
 * build than the controller, none. Throws `FN_MANIFEST_INVALID`.
 */
function refuseWithoutFunctions(
  topology: Topology,
  { functions, config }: Pick<ClusterPartsOptions, 'functions' | 'config'>,
): void {
  if (functions.length > 0 || !config.role.includes('worker')) return
  const named = functionsOf(topology)
  if (named.length === 0) return
  throw new MillraceError(
    'FN_MANIFEST_INVALID',
    `it leads to ${named.length === 1 ? 'the function' : 'the functions'} ${named.join(', ')}, and there is no function in ${config.build}; give this process the controller's build`,
  )
}

function functionsOf({ triggers, flows }: Topology): string[] {
  const destinations = [...triggers, ...flows.flatMap((flow) => flow.steps)].flatMap(
    ({ subscriber, reply, deadLetterSink }) => [subscriber, reply, deadLetterSink],
  )
  const names = destinations.flatMap((one) => (one?.kind === 'function' ? [one.name] : []))
  return [...new Set(names)].toSorted()
}

/** Loaded only here: the Kubernetes client takes longer to load than everything else together. */
async function openController({
  config,
  broker,
  functions,
  log,
}: ClusterPartsOptions): Promise<{ troubles(): string[]; close(): Promise<void> }> {
  const { startController } = await import('../k8s/controller/controller.ts')
  const { namespace, app, watchNamespaces, kubeconfig } = config
  const own = watchNamespaces.length === 0 ? [namespace] : watchNamespaces
  return startController({
    namespace,
    app,
    watchNamespaces: own.includes('*') ? [] : own,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    broker,
    functions,
    services: servicesOf(config),
    log,
  })
}
