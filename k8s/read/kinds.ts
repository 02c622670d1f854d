/** Which kinds of resources Millrace reads, which it may meet in the same files, and which it refuses. */
import { nearest } from '../../runtime/contract/nearest.ts'

/** The kinds that Millrace compiles. */
export type CompiledKind =
  | 'Broker'
  | 'ConfigMap'
  | 'Trigger'
  | 'Sequence'
  | 'Parallel'
  | 'Subscription'
  | 'Channel'
  | 'KafkaChannel'
  | 'InMemoryChannel'
  | 'EventTransform'
  | 'KafkaSource'
  | 'KafkaSink'
  /** Kubernetes' own, for its port. */
  | 'Service'
  /** Knative Serving's, for its address. */
  | 'KnativeService'

interface KindEntry {
  group: string
  kind: string
  versions: readonly string[]
  as: CompiledKind
}

const KINDS: readonly KindEntry[] = [
  entry('eventing.knative.dev', 'Broker', ['v1']),
  entry('eventing.knative.dev', 'Trigger', ['v1']),
  entry('eventing.knative.dev', 'EventTransform', ['v1alpha1']),
  entry('eventing.knative.dev', 'KafkaSink', ['v1alpha1', 'v1']),
  entry('flows.knative.dev', 'Sequence', ['v1']),
  entry('flows.knative.dev', 'Parallel', ['v1']),
  entry('messaging.knative.dev', 'Subscription', ['v1']),
  entry('messaging.knative.dev', 'Channel', ['v1']),
  entry('messaging.knative.dev', 'InMemoryChannel', ['v1']),
  entry('messaging.knative.dev', 'KafkaChannel', ['v1beta1', 'v1']),
  entry('sources.knative.dev', 'KafkaSource', ['v1beta1', 'v1']),
  { ...entry('serving.knative.dev', 'Service', ['v1']), as: 'KnativeService' },
  entry('', 'ConfigMap', ['v1']),
  entry('', 'Service', ['v1']),
]

/** Knative's, and nothing that Millrace runs; whoever applies them to a cluster still has them. */
const NOT_RUN: Readonly<Record<string, readonly string[]>> = {
  'eventing.knative.dev': ['EventType', 'EventPolicy', 'RequestReply'],
  'sources.knative.dev': [
    'ApiServerSource',
    'ContainerSource',
    'IntegrationSource',
    'PingSource',
    'SinkBinding',
  ],
  'sinks.knative.dev': ['JobSink', 'IntegrationSink'],
  'serving.knative.dev': ['Configuration', 'Revision', 'Route', 'DomainMapping'],
  'operator.knative.dev': ['KnativeEventing', 'KnativeServing'],
}

/** Kubernetes' own kinds of the group without a name: a finite list, in which a slip can be seen. */
const CORE_KINDS = [
  'Binding',
  'ConfigMap',
  'Endpoints',
  'Event',
  'LimitRange',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Pod',
  'PodTemplate',
  'ReplicationController',
  'ResourceQuota',
  'Secret',
  'Service',
  'ServiceAccount',
]
const BUILT_IN_GROUPS = ['apps', 'batch', 'autoscaling', 'policy', 'extensions']

export type KindVerdict =
  | { is: 'compiled'; kind: CompiledKind }
  /** Kubernetes' own: nothing of it concerns events. */
  | { is: 'foreign' }
  | { is: 'not run'; message: string }
  | { is: 'wrong'; field: 'apiVersion' | 'kind'; message: string }

export function kindOf(apiVersion: string, kind: string): KindVerdict {
  const { group, version } = splitApiVersion(apiVersion)
  const found = KINDS.find((one) => one.group === group && one.kind === kind)
  if (found !== undefined) {
    if (found.versions.includes(version)) return { is: 'compiled', kind: found.as }
    const known = found.versions.map((one) => apiVersionOf(group, one)).join(' or ')
    return wrong('apiVersion', `${kind} is read as ${known}, but this is ${apiVersion}`)
  }
  if (NOT_RUN[group]?.includes(kind)) {
    return { is: 'not run', message: `Millrace does not run a ${kind}; it is left out` }
  }
  if (group === '' && CORE_KINDS.includes(kind)) return { is: 'foreign' }
  const home = KINDS.find((one) => one.kind === kind && one.group.endsWith('knative.dev'))
  if (home !== undefined && (group === '' || group.endsWith('knative.dev'))) {
    return wrong('apiVersion', `must be ${apiVersionOf(home.group, home.versions[0] ?? 'v1')}`)
  }
  const kinds = kindsOf(group)
  if (kinds.length > 0) {
    const guess = nearest(kind, kinds)
    const next = guess === undefined ? `known are ${kinds.join(', ')}` : `did you mean "${guess}"?`
    return wrong('kind', `${JSON.stringify(kind)} is no kind of ${apiVersion}; ${next}`)
  }
  if (BUILT_IN_GROUPS.includes(group) || group.endsWith('.k8s.io')) return { is: 'foreign' }
  return otherGroup(group, kind, apiVersion)
}

/** Of a `ref`, which may give its group instead of an apiVersion. */
export function refKindOf(group: string, kind: string): CompiledKind | undefined {
  return KINDS.find((one) => one.group === group && one.kind === kind)?.as
}

export function groupOf(apiVersion: string): string {
  return splitApiVersion(apiVersion).group
}

function otherGroup(group: string, kind: string, apiVersion: string): KindVerdict {
  const groups = [...new Set([...KINDS.map((one) => one.group), ...Object.keys(NOT_RUN)])]
  const guess = nearest(group, groups.filter(Boolean))
  if (guess !== undefined || group.endsWith('knative.dev')) {
    const next = guess === undefined ? `known are ${groups.join(', ')}` : `did you mean "${guess}"?`
    return wrong('apiVersion', `${JSON.stringify(apiVersion)} is not known; ${next}`)
  }
  return { is: 'not run', message: `${apiVersion} ${kind} is nothing that Millrace reads` }
}

function kindsOf(group: string): string[] {
  const own = KINDS.filter((one) => one.group === group).map((one) => one.kind)
  return [...new Set([...own, ...(NOT_RUN[group] ?? []), ...(group === '' ? CORE_KINDS : [])])]
}

function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1) }
}

function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

function entry(group: string, kind: CompiledKind, versions: readonly string[]): KindEntry {
  return { group, kind, versions, as: kind }
}

function wrong(field: 'apiVersion' | 'kind', message: string): KindVerdict {
  return { is: 'wrong', field, message }
}
