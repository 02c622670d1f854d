import { bothOf, eitherOf, type Requirements } from '../combine.ts'
import type { CesqlValue, Chain, In, Like, Node } from './ast.ts'
import { textOnly } from './like.ts'
import { isFailure, toBoolean, toInteger, toText } from './value.ts'

/**
 * The texts of attributes without which the expression cannot be TRUE. Only ever too many: whoever is
 * found by them still evaluates the whole.
 */
export function cesqlRequirements(node: Node): Requirements {
  switch (node.kind) {
    case 'chain':
      return ofChain(node)
    case 'in':
      return ofIn(node)
    case 'like':
      return ofLike(node)
    default:
      return new Map()
  }
}

function ofChain({ first, rest }: Chain): Requirements {
  const [only, ...more] = rest
  if (only?.operator === '=' && more.length === 0) return ofEquality(first, only.operand)
  // The alternatives that have come so far: many are combined at once.
  let alternatives = [cesqlRequirements(first)]
  for (const { operator, operand } of rest) {
    if (operator === 'OR') alternatives.push(cesqlRequirements(operand))
    else if (operator !== 'AND') return new Map()
    else alternatives = [bothOf(eitherOf(alternatives), cesqlRequirements(operand))]
  }
  return eitherOf(alternatives)
}

/**
 * `=` casts the left side to the type of the right one. So an attribute beside a text compares as text,
 * and one beside an integer is read as an integer, of which there are many texts: `5`, `+5`, `05`.
 */
function ofEquality(left: Node, right: Node): Requirements {
  if (left.kind === 'attribute' && right.kind === 'literal' && typeof right.value === 'string') {
    return new Map([[left.name, new Set([right.value])]])
  }
  if (left.kind === 'literal' && right.kind === 'attribute') {
    return new Map([[right.name, new Set(textsThatEqual(left.value))]])
  }
  return new Map()
}

/** IN casts the choices to the type of the attribute, which the event decides. */
function ofIn({ operand, choices, negated }: In): Requirements {
  if (negated || operand.kind !== 'attribute') return new Map()
  const texts = new Set<string>()
  for (const choice of choices) {
    if (choice.kind !== 'literal') return new Map()
    for (const text of textsThatEqual(choice.value)) texts.add(text)
  }
  return new Map([[operand.name, texts]])
}

/** LIKE compares with the canonical text, whatever the type. */
function ofLike({ operand, pattern, negated }: Like): Requirements {
  const text = textOnly(pattern)
  if (negated || operand.kind !== 'attribute' || text === undefined) return new Map()
  return new Map([[operand.name, new Set([text])]])
}

/** The canonical texts of all values of any type to which the value is equal once it is cast to it. */
function textsThatEqual(value: CesqlValue): string[] {
  return [value, toInteger(value), toBoolean(value)].flatMap((cast) =>
    isFailure(cast) ? [] : [toText(cast)],
  )
}
