/** What the controller follows, and where the API server has it. */

export interface FollowedKind {
  kind: string
  /** Empty for Kubernetes' core group. */
  group: string
  /** The first that the cluster serves is followed. */
  versions: readonly string[]
}

/** ConfigMaps are not among them: only those that a broker names are followed, one by one. */
export const FOLLOWED_KINDS: readonly FollowedKind[] = [
  { group: 'eventing.knative.dev', kind: 'Broker', versions: ['v1'] },
  { group: 'eventing.knative.dev', kind: 'Trigger', versions: ['v1'] },
  { group: 'eventing.knative.dev', kind: 'EventTransform', versions: ['v1alpha1'] },
  { group: 'eventing.knative.dev', kind: 'KafkaSink', versions: ['v1', 'v1alpha1'] },
  { group: 'flows.knative.dev', kind: 'Sequence', versions: ['v1'] },
  { group: 'flows.knative.dev', kind: 'Parallel', versions: ['v1'] },
  { group: 'messaging.knative.dev', kind: 'Subscription', versions: ['v1'] },
  { group: 'messaging.knative.dev', kind: 'Channel', versions: ['v1'] },
  { group: 'messaging.knative.dev', kind: 'InMemoryChannel', versions: ['v1'] },
  { group: 'messaging.knative.dev', kind: 'KafkaChannel', versions: ['v1', 'v1beta1'] },
  { group: 'sources.knative.dev', kind: 'KafkaSource', versions: ['v1', 'v1beta1'] },
  { group: 'serving.knative.dev', kind: 'Service', versions: ['v1'] },
  { group: '', kind: 'Service', versions: ['v1'] },
]

/** Without a namespace: of all namespaces. */
export function pathsOf(
  { group, kind, versions }: FollowedKind,
  namespace: string | undefined,
): string[] {
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`
  const base = group === '' ? '/api' : `/apis/${group}`
  return versions.map((version) => `${base}/${version}${within}/${pluralOf(kind)}`)
}

/** As RBAC and `kubectl get` name it. */
export function resourceName({ group, kind }: FollowedKind): string {
  return group === '' ? pluralOf(kind) : `${pluralOf(kind)}.${group}`
}

/** True of all that are followed. */
function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`
}
