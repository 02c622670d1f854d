/**
 * What CESQL means, written as plainly as can be: over a tree of its own, with unlimited integers, texts as
 * lists of characters, and errors that are thrown.
 */
import type { Event } from '../../runtime/contract/event.ts'

export type Expression =
  | { is: 'literal'; value: string | number | boolean }
  | { is: 'attribute'; name: string }
  | { is: 'exists'; name: string }
  | { is: 'NOT' | '-'; of: Expression }
  | { is: 'binary'; operator: string; left: Expression; right: Expression }
  | { is: 'LIKE'; of: Expression; pattern: string; negated: boolean }
  | { is: 'IN'; of: Expression; choices: Expression[]; negated: boolean }
  | { is: 'call'; name: string; args: Expression[] }

type Value = string | bigint | boolean

class Refusal extends Error {
  readonly kind: string
  /** Of the function that failed; thrown further up it counts no more. */
  readonly own: { at: Expression; value: Value } | undefined

  constructor(kind: string, own?: { at: Expression; value: Value }) {
    super(kind)
    this.kind = kind
    this.own = own
  }
}

export interface ReferenceResult {
  value: string | number | boolean
  error: string | null
}

export function referenceCesql(expression: Expression, event: Event): ReferenceResult {
  try {
    return { value: plain(evaluate(expression, event)), error: null }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const own = error.own?.at === expression ? error.own.value : undefined
    return { value: plain(own ?? zeroOf(expression)), error: error.kind }
  }
}

function evaluate(node: Expression, event: Event): Value {
  switch (node.is) {
    case 'literal':
      return typeof node.value === 'number' ? BigInt(node.value) : node.value
    case 'attribute': {
      const value = attribute(node.name, event)
      if (value === undefined) throw new Refusal('missingAttribute')
      return value
    }
    case 'exists':
      return attribute(node.name, event) !== undefined
    case 'NOT':
      return !bool(evaluate(node.of, event))
    case '-':
      return int32(-int(evaluate(node.of, event)))
    case 'binary':
      return binary(node, event)
    case 'LIKE':
      return like(chars(evaluate(node.of, event)), symbols(node.pattern)) !== node.negated
    case 'IN': {
      const wanted = evaluate(node.of, event)
      for (const choice of node.choices) {
        if (castTo(evaluate(choice, event), wanted) === wanted) return !node.negated
      }
      return node.negated
    }
    case 'call':
      return callFunction(node, event)
  }
}

function binary(node: Expression & { is: 'binary' }, event: Event): Value {
  const left = evaluate(node.left, event)
  if (node.operator === 'AND') return bool(left) ? bool(evaluate(node.right, event)) : false
  if (node.operator === 'OR') return bool(left) ? true : bool(evaluate(node.right, event))
  if (node.operator === 'XOR') {
    const first = bool(left)
    return first !== bool(evaluate(node.right, event))
  }
  const right = evaluate(node.right, event)
  if (node.operator === '=') return castTo(left, right) === right
  if (node.operator === '!=' || node.operator === '<>') return castTo(left, right) !== right
  const a = int(left)
  const b = int(right)
  switch (node.operator) {
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
    case '+':
      return int32(a + b)
    case '-':
      return int32(a - b)
    case '*':
      return int32(a * b)
    default:
      if (b === 0n) throw new Refusal('math')
      return int32(node.operator === '/' ? a / b : a % b)
  }
}

function callFunction(node: Expression & { is: 'call' }, event: Event): Value {
  const { name, args } = node
  const function_ = FUNCTIONS[`${name}/${args.length}`] ?? FUNCTIONS[`${name}/n`]
  if (function_ === undefined || (name === 'CONCAT_WS' && args.length === 0)) {
    throw new Refusal('missingFunction', { at: node, value: false })
  }
  const values: Value[] = []
  for (const [index, arg] of args.entries()) {
    const value = evaluate(arg, event)
    const type = function_.takes[index] ?? function_.takes.at(-1)
    values.push(type === 'text' ? text(value) : type === 'int' ? int(value) : value)
  }
  try {
    return function_.gives(values)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Refusal(error.kind, { at: node, value: error.value })
  }
}

class Fault extends Error {
  readonly kind: string
  readonly value: Value

  constructor(kind: string, value: Value) {
    super(kind)
    this.kind = kind
    this.value = value
  }
}

interface ReferenceFunction {
  takes: Array<'text' | 'int' | 'any'>
  gives: (values: Value[]) => Value
  type: Value
}

const FUNCTIONS: Record<string, ReferenceFunction> = {
  'LENGTH/1': { takes: ['text'], gives: ([x]) => BigInt(chars(x).length), type: 0n },
  'LOWER/1': { takes: ['text'], gives: ([x]) => String(x).toLowerCase(), type: '' },
  'UPPER/1': { takes: ['text'], gives: ([x]) => String(x).toUpperCase(), type: '' },
  'TRIM/1': { takes: ['text'], gives: ([x]) => String(x).trim(), type: '' },
  'CONCAT/n': { takes: ['text'], gives: (all) => all.join(''), type: '' },
  'CONCAT_WS/n': { takes: ['text'], gives: ([by, ...all]) => all.join(String(by)), type: '' },
  'LEFT/2': {
    takes: ['text', 'int'],
    gives: ([x, y]) => {
      if (Number(y) < 0) throw new Fault('functionEvaluation', String(x))
      return chars(x).slice(0, Number(y)).join('')
    },
    type: '',
  },
  'RIGHT/2': {
    takes: ['text', 'int'],
    gives: ([x, y]) => {
      if (Number(y) < 0) throw new Fault('functionEvaluation', String(x))
      return Number(y) === 0 ? '' : chars(x).slice(-Number(y)).join('')
    },
    type: '',
  },
  'SUBSTRING/2': { takes: ['text', 'int'], gives: substring, type: '' },
  'SUBSTRING/3': { takes: ['text', 'int', 'int'], gives: substring, type: '' },
  'ABS/1': {
    takes: ['int'],
    gives: ([x = 0n]) => {
      if (x === -(2n ** 31n)) throw new Fault('math', 2n ** 31n - 1n)
      return Number(x) < 0 ? -int(x) : x
    },
    type: 0n,
  },
  'INT/1': { takes: ['int'], gives: ([x = 0n]) => x, type: 0n },
  'STRING/1': { takes: ['text'], gives: ([x = '']) => x, type: '' },
  'BOOL/1': { takes: ['any'], gives: ([x = '']) => bool(x), type: false },
  'IS_INT/1': { takes: ['any'], gives: ([x = '']) => works(() => int(x)), type: false },
  'IS_BOOL/1': { takes: ['any'], gives: ([x = '']) => works(() => bool(x)), type: false },
}

/** Letter by letter, from 1. */
function substring([x, from, length = 10n ** 9n]: Value[]): string {
  const all = chars(x)
  const position = Number(from)
  if (position > all.length || position < -all.length || Number(length) < 0) {
    throw new Fault('functionEvaluation', '')
  }
  if (position === 0) return ''
  const start = position > 0 ? position : all.length + position + 1
  return all.filter((_, i) => i + 1 >= start && i + 1 < start + Number(length)).join('')
}

type Symbol_ = { any: 'one' | 'many' } | { exactly: string }

function symbols(pattern: string): Symbol_[] {
  const found: Symbol_[] = []
  const all = chars(pattern)
  for (let i = 0; i < all.length; i++) {
    const next = all[i + 1]
    if (all[i] === '\\' && (next === '%' || next === '_')) {
      found.push({ exactly: next })
      i++
    } else if (all[i] === '%') found.push({ any: 'many' })
    else if (all[i] === '_') found.push({ any: 'one' })
    else found.push({ exactly: all[i] ?? '' })
  }
  return found
}

/** Tries everything. */
function like(letters: string[], pattern: Symbol_[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return letters.length === 0
  if ('any' in first && first.any === 'many') {
    return like(letters, rest) || (letters.length > 0 && like(letters.slice(1), pattern))
  }
  const matches = letters.length > 0 && (!('exactly' in first) || first.exactly === letters[0])
  return matches && like(letters.slice(1), rest)
}

function attribute(name: string, event: Event): Value | undefined {
  const value = Object.entries(event.attributes).find(([key]) => key === name)?.[1]
  if (typeof value !== 'number') return value
  return Number.isInteger(value) && Math.abs(value) <= 2 ** 31 - 1 ? BigInt(value) : `${value}`
}

function castTo(value: Value, like_: Value): Value {
  if (typeof like_ === 'string') return text(value)
  return typeof like_ === 'bigint' ? int(value) : bool(value)
}

function text(value: Value): string {
  return value.toString()
}

function int(value: Value): bigint {
  if (typeof value !== 'string') return BigInt(value)
  if (!/^[-+]?[0-9]+$/.test(value)) throw new Refusal('cast')
  const number = BigInt(value.replace('+', ''))
  if (number > 2n ** 31n - 1n || number < -(2n ** 31n)) throw new Refusal('cast')
  return number
}

function bool(value: Value): boolean {
  if (typeof value === 'bigint') return value !== 0n
  if (typeof value === 'boolean') return value
  if (/^true$/i.test(value)) return true
  if (/^false$/i.test(value)) return false
  throw new Refusal('cast')
}

function int32(value: bigint): bigint {
  if (BigInt.asIntN(32, value) !== value) throw new Refusal('math')
  return value
}

function works(cast: () => unknown): boolean {
  try {
    cast()
    return true
  } catch {
    // Any refusal: that is the question.
    return false
  }
}

function zeroOf(node: Expression): Value {
  if (node.is === 'call') {
    const { name, args } = node
    return (FUNCTIONS[`${name}/${args.length}`] ?? FUNCTIONS[`${name}/n`])?.type ?? false
  }
  if (node.is === '-' || (node.is === 'binary' && '+-*/%'.includes(node.operator))) return 0n
  return false
}

function plain(value: Value): string | number | boolean {
  return typeof value === 'bigint' ? Number(value) : value
}

function chars(value: Value | undefined): string[] {
  return Array.from(String(value))
}
