/**
 * What the fields of a resource may be, and everything that is wrong with one at once. Like the API
 * server it takes `null` for absent; unlike it, it refuses what it does not know instead of dropping it.
 */
import { nearest } from '../../runtime/contract/nearest.ts'
import { isRecord, joinPath, shown } from '../../runtime/contract/schema-problems.ts'

export type Path = ReadonlyArray<string | number>

export interface Problem {
  path: Path
  /** Without the path, which stands before it. */
  message: string
}

/** Says what is wrong with a value at a path. */
export type Shape = (value: unknown, path: Path) => Problem[]

/** Dotted, as people write it: `spec.steps[0].ref.name`, `metadata.annotations["a.b/c"]`. */
export function fieldText(path: Path): string {
  return path.reduce(
    (text: string, key) =>
      typeof key === 'string' && !/^[\w-]+$/.test(key)
        ? `${text}[${JSON.stringify(key)}]`
        : joinPath(text, key),
    '',
  )
}

/** Not looked at. */
export const anything: Shape = () => []

/** `check` says what is wrong with a text, if anything. */
export function text(check?: (value: string) => string | undefined): Shape {
  return (value, path) => {
    if (typeof value !== 'string') {
      const quote = typeof value === 'number' || typeof value === 'boolean'
      const next = quote ? `; write it in quotes: ${JSON.stringify(String(value))}` : ''
      return [{ path, message: `must be a text, but is ${shown(value)}${next}` }]
    }
    const message = check?.(value)
    return message === undefined ? [] : [{ path, message }]
  }
}

export const name: Shape = text((value) => (value === '' ? 'is empty' : undefined))

/** One of these texts; `ignoreCase` as Knative compares some of them. */
export function oneOf(
  choices: readonly string[],
  { ignoreCase = false }: { ignoreCase?: boolean } = {},
): Shape {
  return text((value) => {
    if (choices.includes(ignoreCase ? value.toLowerCase() : value)) return undefined
    const list = choices.map((choice) => JSON.stringify(choice)).join(' or ')
    const guess = nearest(value, choices)
    const next = guess === undefined ? '' : `; did you mean "${guess}"?`
    return `must be ${list}, but is ${shown(value)}${next}`
  })
}

export function whole(min: number, max = 2 ** 31 - 1): Shape {
  return (value, path) => {
    const number = Number(value)
    if (Number.isInteger(value) && number >= min && number <= max) return []
    const range = number > max ? `from ${min} to ${max}` : `from ${min} on`
    const quoted = typeof value === 'string' && /^\d+$/.test(value)
    const next = quoted ? '; write it without quotes' : ''
    return [{ path, message: `must be a whole number ${range}, but is ${shown(value)}${next}` }]
  }
}

export const flag: Shape = (value, path) =>
  typeof value === 'boolean'
    ? []
    : [{ path, message: `must be true or false, but is ${shown(value)}` }]

export function list(of: Shape, { min = 0 }: { min?: number } = {}): Shape {
  return (value, path) => {
    if (!Array.isArray(value)) return [{ path, message: `must be a list, but is ${shown(value)}` }]
    if (value.length < min) return [{ path, message: `needs at least ${min} entry` }]
    return value.flatMap((entry, index) => of(entry, [...path, index]))
  }
}

/** Keys of the user's own. */
export function map(of: Shape): Shape {
  return (value, path) => {
    if (!isRecord(value)) return [{ path, message: `must be an object, but is ${shown(value)}` }]
    return Object.entries(value).flatMap(([key, entry]) => of(entry, [...path, key]))
  }
}

/** An object of known fields. */
export function fields(known: Record<string, Shape>, required: readonly string[] = []): Shape {
  const names = Object.keys(known)
  return (value, path) => {
    if (!isRecord(value)) return [{ path, message: `must be an object, but is ${shown(value)}` }]
    const missing = required.filter((key) => value[key] === undefined || value[key] === null)
    return [
      ...missing.map((key): Problem => ({ path: [...path, key], message: 'is missing' })),
      ...Object.entries(value).flatMap(([key, entry]): Problem[] => {
        const shape = Object.hasOwn(known, key) ? known[key] : undefined
        if (shape === undefined) {
          return [{ path: [...path, key], message: unknownText(key, names) }]
        }
        return entry === null ? [] : shape(entry, [...path, key])
      }),
    ]
  }
}

/** Both must hold. */
export function both(first: Shape, second: Shape): Shape {
  return (value, path) => {
    const problems = first(value, path)
    return problems.length > 0 ? problems : second(value, path)
  }
}

export function unknownText(key: string, known: readonly string[]): string {
  const guess = nearest(key, known)
  if (guess !== undefined) return `is not known; did you mean "${guess}"?`
  return `is not known; known are ${known.join(', ')}`
}
