/** Resources to what Millrace runs for them. Pure: whatever is wrong is a finding. */
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { bodyProblems } from './bodies.ts'
import { compileBrokers } from './broker.ts'
import { compileChannels, compileSubscriptions } from './channel.ts'
import { refuseCircles } from './circles.ts'
import { refuseClashes } from './clashes.ts'
import { Compilation, type CompileOptions, type Known } from './compilation.ts'
import { compileKafkaSources } from './kafka-source.ts'
import { kindOf } from './kinds.ts'
import { compileParallels } from './parallel.ts'
import type { Finding, Resource } from './resource.ts'
import { compileSequences } from './sequence.ts'
import { noteServices } from './service.ts'
import type { Path, Problem } from './shape.ts'
import { compileTriggers } from './trigger.ts'

export type { CompileOptions } from './compilation.ts'

/** The topology is of use only while no finding is an error. */
export function compileResources(
  resources: readonly Resource[],
  options: CompileOptions,
): { topology: Topology; findings: Finding[] } {
  const found: Array<{ resource: Resource; severity: Finding['severity']; problem: Problem }> = []
  const known = resources.flatMap((resource) => {
    const { is, problems } = identify(resource)
    found.push(...problems)
    return is === undefined ? [] : [is]
  })
  const compilation = new Compilation(resources, known, options)
  for (const { resource, severity, problem } of found) {
    compilation[severity]({ resource, path: problem.path }, problem.message)
  }
  refuseDoubles(compilation)
  compileBrokers(compilation)
  compileChannels(compilation)
  compileTriggers(compilation)
  compileSubscriptions(compilation)
  compileSequences(compilation)
  compileParallels(compilation)
  compileKafkaSources(compilation)
  noteServices(compilation)
  refuseCircles(compilation)
  refuseClashes(compilation)
  const { brokers, triggers, flows } = compilation
  return {
    topology: { brokers: [...brokers.values()], triggers: [...triggers.keys()], flows },
    findings: compilation.findings(),
  }
}

function identify(resource: Resource): {
  is?: Known
  problems: Array<{ resource: Resource; severity: Finding['severity']; problem: Problem }>
} {
  const verdict = kindOf(resource.apiVersion, resource.kind)
  switch (verdict.is) {
    case 'foreign':
      return { problems: [] }
    case 'wrong':
    case 'not run': {
      const severity = verdict.is === 'wrong' ? 'error' : 'note'
      const path = [verdict.is === 'wrong' ? verdict.field : 'kind']
      return { problems: [{ resource, severity, problem: { path, message: verdict.message } }] }
    }
    case 'compiled': {
      const problems = bodyProblems(verdict.kind, resource.body)
      const body = withoutNulls(resource.body, []) as Record<string, unknown>
      return {
        is: { kind: verdict.kind, resource, body, broken: problems.length > 0 },
        problems: problems.map((problem) => ({ resource, severity: 'error', problem })),
      }
    }
  }
}

/** In a filter on data `null` is a value. */
function withoutNulls(value: unknown, path: Path): unknown {
  if (path.at(-1) === 'filters') return value
  if (Array.isArray(value)) return value.map((one, index) => withoutNulls(one, [...path, index]))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null)
      .map(([key, one]) => [key, withoutNulls(one, [...path, key])]),
  )
}

function refuseDoubles(compilation: Compilation): void {
  const first = new Map<string, Resource>()
  for (const { kind, resource } of compilation.known) {
    const key = `${kind} ${resource.namespace}/${resource.name}`
    const other = first.get(key)
    if (other === undefined) {
      first.set(key, resource)
      continue
    }
    compilation.error(
      { resource, path: ['metadata', 'name'] },
      `a ${resource.kind} ${resource.namespace}/${resource.name} stands at ${other.place([])} already; keep one of them`,
    )
  }
}
