/** Resources written in tests: parsed, compiled, and what was found as the lines that people read. */
import { compileResources, type CompileOptions } from '../../k8s/read/compile.ts'
import { parseResources } from '../../k8s/read/parse.ts'
import { findingLine, type Finding } from '../../k8s/read/resource.ts'
import type { FlowManifest, Topology } from '../../runtime/contract/topology.ts'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'

export interface Compiled {
  topology: Topology
  errors: string[]
  notes: string[]
  trigger: (name: string) => TriggerManifest
  flow: (name: string) => FlowManifest
}

export interface Given extends Partial<CompileOptions> {
  /** Names of functions without triggers of their own. */
  named?: string[]
}

/** The text stands in a file `f.yaml`. */
export function compiled(text: string, { named = [], ...options }: Given = {}): Compiled {
  const parsed = parseResources('f.yaml', text)
  const { topology, findings } = compileResources(parsed.resources, {
    functions: named.map((name) => ({ name, namespace: '' })),
    services: new Map(),
    ...options,
  })
  const all = [...parsed.findings, ...findings]
  return {
    topology,
    errors: linesOf(all, 'error'),
    notes: linesOf(all, 'note'),
    trigger: (name) => found(topology.triggers, name, (one) => one.name),
    flow: (name) => found(topology.flows, name, (one) => one.name),
  }
}

function linesOf(findings: readonly Finding[], severity: Finding['severity']): string[] {
  return findings.filter((one) => one.severity === severity).map(findingLine)
}

function found<T>(list: readonly T[], name: string, nameOf: (one: T) => string): T {
  const one = list.find((candidate) => nameOf(candidate) === name)
  if (one === undefined) throw new Error(`no ${name} among ${list.map(nameOf).join(', ')}`)
  return one
}

/** A resource as text; `spec` is indented by two already. */
export function resourceText(kind: string, name: string, spec: string, more = ''): string {
  return `---
apiVersion: ${API_VERSIONS[kind] ?? 'v1'}
kind: ${kind}
metadata:
  name: ${name}
  namespace: events
${more}spec:
${spec}
`
}

const API_VERSIONS: Record<string, string> = {
  Broker: 'eventing.knative.dev/v1',
  Trigger: 'eventing.knative.dev/v1',
  EventTransform: 'eventing.knative.dev/v1alpha1',
  KafkaSink: 'eventing.knative.dev/v1alpha1',
  Sequence: 'flows.knative.dev/v1',
  Parallel: 'flows.knative.dev/v1',
  Subscription: 'messaging.knative.dev/v1',
  Channel: 'messaging.knative.dev/v1',
  InMemoryChannel: 'messaging.knative.dev/v1',
  KafkaChannel: 'messaging.knative.dev/v1beta1',
  KafkaSource: 'sources.knative.dev/v1beta1',
}

/** `ref` as flow YAML. */
export function ref(kind: string, name: string, apiVersion = API_VERSIONS[kind]): string {
  return `{ ref: { apiVersion: ${apiVersion ?? 'serving.knative.dev/v1'}, kind: ${kind}, name: ${name} } }`
}

export function annotation(key: string, value: string): string {
  return `  annotations:\n    ${key}: ${value}\n`
}
