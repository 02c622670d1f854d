/** Annotations that mean something, and those that look as if they were meant to. */
import { editDistance } from '../../runtime/contract/nearest.ts'
import { annotationsOf, type Compilation, type Known } from './compilation.ts'
import type { CompiledKind } from './kinds.ts'

export const CLASS = 'eventing.knative.dev/broker.class'
export const EXTERNAL_TOPIC = 'kafka.eventing.knative.dev/external.topic'
export const ORDER = 'kafka.eventing.knative.dev/delivery.order'
export const FILTER_COMPAT = 'millrace.dev/filter-compat'
export const DURABLE = 'millrace.dev/durable'

const KNOWN: Partial<Record<CompiledKind, readonly string[]>> = {
  Broker: [CLASS, EXTERNAL_TOPIC],
  Trigger: [ORDER, FILTER_COMPAT],
  Subscription: [ORDER],
  KafkaSource: [ORDER],
  Sequence: [DURABLE],
  Parallel: [DURABLE],
}
/** Everything under it is ours to know. */
const OWN_PREFIX = 'millrace.dev/'
/** Annotations are free for all: only what is hardly another word is taken for a slip. */
const SLIP_DISTANCE = 2

export function checkAnnotations(compilation: Compilation): void {
  for (const known of compilation.known) {
    if (known.broken) continue
    for (const key of Object.keys(annotationsOf(known))) {
      const problem = problemOf(key, KNOWN[known.kind] ?? [], known)
      if (problem === undefined) continue
      const at = { resource: known.resource, path: ['metadata', 'annotations', key] }
      compilation.error(at, problem)
    }
  }
}

function problemOf(key: string, names: readonly string[], { resource }: Known): string | undefined {
  if (names.includes(key)) return undefined
  const guess = names.find((name) => editDistance(key, name) <= SLIP_DISTANCE)
  if (guess !== undefined) return `is not known; did you mean "${guess}"?`
  if (!key.startsWith(OWN_PREFIX)) return undefined
  const own = names.filter((name) => name.startsWith(OWN_PREFIX))
  const next = own.length === 0 ? 'there is none for this kind' : `known is ${own.join(', ')}`
  return `means nothing for a ${resource.kind}; ${next}`
}
