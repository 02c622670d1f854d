import { isRecord } from '../../runtime/contract/schema-problems.ts'
import type { Resource } from './resource.ts'

/** Names of the Services that resources send events to. */
export function serviceNames(resources: readonly Resource[]): string[] {
  const names = new Set<string>()
  for (const { body } of resources) collect(body['spec'], names)
  return [...names].toSorted()
}

function collect(value: unknown, names: Set<string>): void {
  if (Array.isArray(value)) {
    for (const one of value) collect(one, names)
    return
  }
  if (!isRecord(value)) return
  const { ref, ...others } = value
  if (isRecord(ref) && ref['kind'] === 'Service' && typeof ref['name'] === 'string') {
    names.add(ref['name'])
  }
  for (const one of Object.values(others)) collect(one, names)
}
