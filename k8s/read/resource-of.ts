/** One object, from a file or from an API server, as a resource that can be compiled. */
import { isRecord, shown } from '../../runtime/contract/schema-problems.ts'
import type { Finding, Resource } from './resource.ts'
import { fieldText, type Path } from './shape.ts'

/** What Kubernetes allows as the name of an object (RFC 1123 subdomain). */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const DEFAULT_NAMESPACE = 'default'

/**
 * Takes an object as an API server answers it; `place` names it in messages. The finding says what it
 * lacks to be a resource at all; what its fields hold is checked when it is compiled.
 */
export function resourceOf(object: unknown, place: string): Resource | Finding {
  return resourceAt(object, () => place)
}

/** The same for an object that knows the lines of its fields; `at` is where it stands in its document. */
export function resourceAt(
  object: unknown,
  place: (path: Path) => string,
  at: Path = [],
): Resource | Finding {
  const wrong = (path: Path, message: string): Finding => ({
    severity: 'error',
    place: place([...at, ...path]),
    field: fieldText([...at, ...path]),
    message,
  })
  if (!isRecord(object)) {
    return wrong(
      [],
      `a resource is an object with apiVersion, kind and metadata.name, but this is ${shown(object)}`,
    )
  }
  const { apiVersion, kind, metadata } = object
  for (const [key, value] of Object.entries({ apiVersion, kind })) {
    if (value === undefined || value === null) return wrong([key], 'is missing')
    if (typeof value !== 'string' || value === '') {
      return wrong([key], `must be a text, but is ${shown(value)}`)
    }
  }
  if (!isRecord(metadata)) return wrong(['metadata', 'name'], 'is missing')
  for (const key of ['name', 'namespace'] as const) {
    const value = metadata[key] ?? undefined
    if (value === undefined && key === 'namespace') continue
    if (value === undefined) return wrong(['metadata', key], 'is missing')
    if (typeof value !== 'string' || !OBJECT_NAME.test(value)) {
      return wrong(
        ['metadata', key],
        `must be a name of a-z, 0-9, "-" and ".", but is ${shown(value)}`,
      )
    }
  }
  return {
    apiVersion: apiVersion as string,
    kind: kind as string,
    namespace: (metadata['namespace'] ?? DEFAULT_NAMESPACE) as string,
    name: metadata['name'] as string,
    body: object,
    place: (path) => place([...at, ...path]),
  }
}

export function isFinding(value: Resource | Finding): value is Finding {
  return 'severity' in value
}
