/** What is shared while resources become a topology: what there is, what was found, what is made. */
import type { FunctionManifest, TriggerManifest } from '../../runtime/contract/manifest.ts'
import { nearest } from '../../runtime/contract/nearest.ts'
import type { BrokerManifest, FlowManifest } from '../../runtime/contract/topology.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { CompiledKind } from './kinds.ts'
import type { Finding, Resource } from './resource.ts'
import { fieldText, type Path } from './shape.ts'

export interface CompileOptions {
  functions: ReadonlyArray<Pick<FunctionManifest, 'name' | 'namespace'>>
  /** Addresses by `namespace/name`, for services that are not where the cluster's names point. */
  services: ReadonlyMap<string, string>
  /** Default `cluster.local`. */
  clusterDomain?: string
}

/** A resource of a kind that is compiled, without the nulls that stand for absent. */
export interface Known {
  kind: CompiledKind
  resource: Resource
  body: Record<string, unknown>
  /** It is wrong by itself: its name is known, and it is not compiled. */
  broken: boolean
}

/** A field of a resource: what a finding points at. */
export interface At {
  resource: Resource
  path: Path
}

export interface Link {
  from: Resource
  to: Resource
  at: At
}

export class Compilation {
  readonly options: CompileOptions
  readonly known: readonly Known[]
  readonly brokers = new Map<string, BrokerManifest>()
  readonly triggers = new Map<TriggerManifest, At>()
  readonly flows: FlowManifest[] = []
  /** The flows that EventTransforms with a sink became: entry channels by what they do. */
  readonly transforms = new Map<string, string>()
  /** What leads where, among resources: to find circles. */
  readonly links: Link[] = []
  readonly #named = new Map<string, Known>()
  readonly #findings = new Map<string, { order: number; finding: Finding }>()
  readonly #order: ReadonlyMap<Resource, number>

  constructor(resources: readonly Resource[], known: readonly Known[], options: CompileOptions) {
    this.options = options
    this.known = known
    for (const one of known) {
      const key = keyOf(one.kind, one.resource.namespace, one.resource.name)
      if (!this.#named.has(key)) this.#named.set(key, one)
    }
    this.#order = new Map(resources.map((resource, index) => [resource, index]))
  }

  /** Those of a kind that can be compiled. */
  of(kind: CompiledKind): Known[] {
    return this.known.filter((one) => one.kind === kind && !one.broken)
  }

  find(kind: CompiledKind, namespace: string, name: string): Known | undefined {
    return this.#named.get(keyOf(kind, namespace, name))
  }

  /** `; did you mean "x"?` for a name of that kind that is not there. */
  guess(kind: CompiledKind, namespace: string, name: string): string {
    const near = this.known.filter((one) => one.kind === kind)
    const here = near.filter(({ resource }) => resource.namespace === namespace)
    const same = near.find(({ resource }) => resource.name === name)
    if (same !== undefined) {
      return `; there is one in the namespace "${same.resource.namespace}"`
    }
    const guess = nearest(
      name,
      here.map(({ resource }) => resource.name),
    )
    return guess === undefined ? '' : `; did you mean "${guess}"?`
  }

  error(at: At, message: string): void {
    this.#add('error', at, message)
  }

  note(at: At, message: string): void {
    this.#add('note', at, message)
  }

  /** In the order in which they stand, each once. */
  findings(): Finding[] {
    return [...this.#findings.values()]
      .toSorted((a, b) => a.order - b.order || lineIn(a.finding) - lineIn(b.finding))
      .map(({ finding }) => finding)
  }

  #add(severity: Finding['severity'], { resource, path }: At, message: string): void {
    const finding = { severity, place: resource.place(path), field: fieldText(path), message }
    const order = this.#order.get(resource) ?? this.#order.size
    this.#findings.set(JSON.stringify(finding), { order, finding })
  }
}

function keyOf(kind: CompiledKind, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`
}

/** Of a resource without lines, 0: then findings stay in the order in which they were made. */
function lineIn({ place }: Finding): number {
  return Number(/:(\d+)$/.exec(place)?.[1] ?? 0)
}

export function within({ resource, path }: At, ...more: Path): At {
  return { resource, path: [...path, ...more] }
}

/** The spec of a resource whose shape was checked. */
export function specOf<Spec>({ body }: Known): Spec {
  return (body['spec'] ?? {}) as Spec
}

export function annotationsOf({ body }: Known): Record<string, string> {
  return textsIn(isRecord(body['metadata']) ? body['metadata']['annotations'] : undefined)
}

/** What Knative's controller wrote down about a resource that it served. */
export function statusAnnotationsOf({ body }: Known): Record<string, string> {
  return textsIn(isRecord(body['status']) ? body['status']['annotations'] : undefined)
}

function textsIn(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}

export function objectName({ resource }: Pick<Known, 'resource'>): string {
  return `${resource.namespace}/${resource.name}`
}

/** Names that are too long are found while they are computed. */
export function attempt<T>(compilation: Compilation, at: At, compute: () => T): T | undefined {
  try {
    return compute()
  } catch (error) {
    if (!isMillraceError(error)) throw error
    compilation.error(at, error.message)
    return undefined
  }
}
