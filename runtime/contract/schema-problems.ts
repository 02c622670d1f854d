/** Ajv's errors as lines that an author can act on: the path, what is wrong, what would be right. */
import type { ErrorObject } from 'ajv'
import { nearest } from './nearest.ts'

/** More than these are no help in a line. */
const MAX_CHOICES = 20

/** One line a problem. The errors must come from an Ajv with `allErrors` and `verbose`. */
export function schemaProblems(errors: readonly ErrorObject[], root: string): string[] {
  // What the branches of an `anyOf` report is noise: the `anyOf` error itself speaks for them.
  const unions = errors.filter((error) => error.keyword === 'anyOf')
  const own = errors.filter(
    (error) =>
      !unions.some(
        (union) =>
          union !== error &&
          error.schemaPath.startsWith(`${union.schemaPath}/`) &&
          error.instancePath.startsWith(union.instancePath),
      ),
  )
  // Where an `anyOf` only says that no branch fits, and a branch says why, the branch is enough.
  const said = own.filter(
    (error) =>
      error.keyword !== 'anyOf' ||
      literalsOf(error) !== undefined ||
      !own.some((one) => one.keyword === 'enum' && one.instancePath === error.instancePath),
  )
  return said.map((error) => describe(error, pathText(error.instancePath, root)))
}

/** `/triggers/0/broker` as `triggers[0].broker`; the root by its own name. */
export function pathText(pointer: string, root: string): string {
  if (pointer === '') return root
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => joinPath(path, /^\d+$/.test(part) ? Number(part) : part), '')
}

/** One step further down a path: `a` and `b` give `a.b`, `a` and 0 give `a[0]`. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  return path === '' ? key : `${path}.${key}`
}

/** `path.key is not known; did you mean …?`, or the list of what is known. */
export function unknownKey(path: string, key: string, known: readonly string[]): string {
  const guess = nearest(key, known)
  const next = guess === undefined ? `known are ${known.join(', ')}` : `did you mean "${guess}"?`
  return `${joinPath(path, key)} is not known; ${next}`
}

/** A value for a message: JSON, cut to a readable length. */
export function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value)
  return json.length > 80 ? `${json.slice(0, 77)}...` : json
}

function describe(error: ErrorObject, path: string): string {
  const below = error.instancePath === '' ? '' : path
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(below, String(error.params['additionalProperty']), knownKeys(error))
    case 'required':
      return `${joinPath(below, String(error.params['missingProperty']))} is missing`
    case 'type':
      return `${path} must be ${withArticle(String(error.params['type']))}, but is ${shown(error.data)}`
    case 'minItems':
      return `${path} needs at least ${String(error.params['limit'])} entry`
    case 'const':
      return `${path} must be ${shown(error.params['allowedValue'])}, but is ${shown(error.data)}`
    case 'enum':
      return `${path} ${choiceText(enumOf(error), error.data)}`
    case 'anyOf':
      return `${path} ${unionText(error)}`
    default:
      return `${path} ${error.message ?? 'is wrong'}, but is ${shown(error.data)}`
  }
}

function knownKeys(error: ErrorObject): string[] {
  const schema: unknown = error.parentSchema
  return isRecord(schema) && isRecord(schema['properties']) ? Object.keys(schema['properties']) : []
}

function enumOf({ params }: ErrorObject): unknown[] {
  const allowed: unknown = params['allowedValues']
  return Array.isArray(allowed) ? allowed : []
}

function unionText(error: ErrorObject): string {
  const literals = literalsOf(error)
  if (literals !== undefined) return choiceText(literals, error.data)
  return `${error.message ?? 'has none of the forms that are allowed'}, but is ${shown(error.data)}`
}

/** Undefined where a branch is more than one text. */
function literalsOf({ schema }: ErrorObject): string[] | undefined {
  const branches: unknown[] = Array.isArray(schema) ? schema : []
  const literals = branches.flatMap((branch) =>
    isRecord(branch) && typeof branch['const'] === 'string' ? [branch['const']] : [],
  )
  return literals.length > 0 && literals.length === branches.length ? literals : undefined
}

/** What is allowed, with the nearest one where a text was meant for it. */
function choiceText(choices: readonly unknown[], data: unknown): string {
  const quoted = choices.map((choice) => shown(choice))
  const some = quoted.length > MAX_CHOICES ? [...quoted.slice(0, MAX_CHOICES), '…'] : quoted
  const list = [some.slice(0, -1).join(', '), ...some.slice(-1)].filter(Boolean).join(' or ')
  const texts = choices.filter((choice) => typeof choice === 'string')
  const guess = typeof data === 'string' ? nearest(data, texts) : undefined
  const next = guess === undefined ? '' : `; did you mean "${guess}"?`
  return `must be ${list}, but is ${shown(data)}${next}`
}

function withArticle(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

/** A plain object, as JSON has it. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
