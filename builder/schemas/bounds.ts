/** Bounds on numbers, lengths and counts: whether those of one schema lie within those of another. */
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { kindsOf, type Kind } from './value-kinds.ts'

/** A keyword that both schemas say different things by. */
export interface Facts {
  keyword: string
  from: unknown
  to: unknown
}

interface Range {
  kind: Kind
  least: string
  most: string
}

const COUNTS: readonly Range[] = [
  { kind: 'string', least: 'minLength', most: 'maxLength' },
  { kind: 'array', least: 'minItems', most: 'maxItems' },
  { kind: 'object', least: 'minProperties', most: 'maxProperties' },
]

export function boundMisfits(from: SchemaObject, to: SchemaObject): Facts[] {
  const kinds = kindsOf(from)
  const found = COUNTS.filter(({ kind }) => kinds.has(kind)).flatMap(({ least, most }) => [
    ...(numberOf(from[least], 0) < numberOf(to[least], 0) ? [factsOf(least, from, to)] : []),
    ...(numberOf(from[most], Infinity) > numberOf(to[most], Infinity)
      ? [factsOf(most, from, to)]
      : []),
  ])
  return kinds.has('integer') || kinds.has('number') ? [...found, ...edgeMisfits(from, to)] : found
}

/** Each edge of `to` needs one of `from` that is at least as tight. */
function edgeMisfits(from: SchemaObject, to: SchemaObject): Facts[] {
  const lowest = edgeOf(from['minimum'], from['exclusiveMinimum'], 1)
  const highest = edgeOf(from['maximum'], from['exclusiveMaximum'], -1)
  return [
    ...tightness(to, ['minimum', 'exclusiveMinimum'], lowest, 1),
    ...tightness(to, ['maximum', 'exclusiveMaximum'], highest, -1),
  ].map((keyword) => factsOf(keyword, from, to))
}

interface Edge {
  value: number
  isOpen: boolean
}

/** `sign` 1 for a lower edge, where the greater is the tighter, -1 for an upper one. */
function edgeOf(closed: unknown, open: unknown, sign: 1 | -1): Edge {
  const none = -sign * Infinity
  const [a, b] = [numberOf(closed, none), numberOf(open, none)]
  return sign * b >= sign * a && b !== none
    ? { value: b, isOpen: true }
    : { value: a, isOpen: false }
}

function tightness(
  to: SchemaObject,
  [closed, open]: readonly [string, string],
  edge: Edge,
  sign: 1 | -1,
): string[] {
  const wanted = (keyword: string): number => numberOf(to[keyword], -sign * Infinity)
  const isWithin = (limit: number): boolean => sign * edge.value >= sign * limit
  const isBeyond = (limit: number): boolean =>
    sign * edge.value > sign * limit || (edge.value === limit && edge.isOpen)
  return [
    ...(isWithin(wanted(closed)) ? [] : [closed]),
    ...(typeof to[open] !== 'number' || isBeyond(wanted(open)) ? [] : [open]),
  ]
}

function factsOf(keyword: string, from: SchemaObject, to: SchemaObject): Facts {
  return { keyword, from: from[keyword], to: to[keyword] }
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
