/** Services as addresses, and what is said of those whose place a function takes. */
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Compilation } from './compilation.ts'

const CLUSTER_DOMAIN = 'cluster.local'
const HTTP_PORT = 80

/** What is configured, else the name that a cluster gives it. */
export function addressOf(
  { namespace, name }: { namespace: string; name: string },
  kind: 'Service' | 'KnativeService',
  compilation: Compilation,
): string {
  const { options } = compilation
  const configured = options.services.get(`${namespace}/${name}`)
  if (configured !== undefined) return configured
  const document = kind === 'Service' ? compilation.find(kind, namespace, name) : undefined
  const port = portOf(document?.body['spec'])
  return `http://${name}.${namespace}.svc.${options.clusterDomain ?? CLUSTER_DOMAIN}${port}`
}

/** A Knative Service whose name is a function's is not called, which its author should know. */
export function noteServices(compilation: Compilation): void {
  for (const { resource } of compilation.of('KnativeService')) {
    const taken = [...compilation.triggers.keys()].some(
      ({ subscriber, namespace }) =>
        subscriber.kind === 'function' &&
        subscriber.name === resource.name &&
        namespace === resource.namespace,
    )
    if (!taken) continue
    compilation.note(
      { resource, path: ['metadata', 'name'] },
      `the function ${resource.name} takes its place; its image and scaling are not used`,
    )
  }
}

function portOf(spec: unknown): string {
  const ports: unknown[] = isRecord(spec) && Array.isArray(spec['ports']) ? spec['ports'] : []
  const numbers = ports.flatMap((one) =>
    isRecord(one) && typeof one['port'] === 'number' ? [one['port']] : [],
  )
  const [first] = numbers
  return first === undefined || numbers.includes(HTTP_PORT) ? '' : `:${first}`
}
