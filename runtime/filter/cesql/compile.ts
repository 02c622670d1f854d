/**
 * From the tree to closures. The evaluation ends with the first error, as CloudEvents SQL 1.0 advises for
 * filters (section 4.1): an operator or function without a value of its own then has the zero of its type.
 */
import type {
  BinaryOperator,
  Call,
  CesqlValue,
  Chain,
  In,
  Like,
  LogicOperator,
  Node,
} from './ast.ts'
import { type CesqlType, functionOf, missingFunction } from './functions.ts'
import { compileLike } from './like.ts'
import {
  castLike,
  type Failure,
  isFailure,
  isInteger,
  type Outcome,
  toBoolean,
  toInteger,
  toText,
  withValue,
} from './value.ts'

/** Attributes under their names; what CESQL does not take for a value counts as not there. */
export type Attributes = Readonly<Record<string, unknown>>

export type Evaluate = (attributes: Attributes) => Outcome

const ZEROS: Readonly<Record<CesqlType, CesqlValue>> = { String: '', Integer: 0, Boolean: false }

export function compileNode(node: Node): Evaluate {
  switch (node.kind) {
    case 'literal': {
      const { value } = node
      return () => value
    }
    case 'attribute':
      return attribute(node.name)
    case 'exists': {
      const { name } = node
      return (attributes) => attributeValue(attributes, name) !== undefined
    }
    case 'not':
      return unary(node.operand, false, (value) => {
        const boolean = toBoolean(value)
        return isFailure(boolean) ? boolean : !boolean
      })
    case 'negate':
      return unary(node.operand, 0, (value) => {
        const integer = toInteger(value)
        return isFailure(integer) ? integer : integerOr(-integer, `-(${integer})`)
      })
    case 'chain':
      return compileChain(node)
    case 'like':
      return like(node)
    case 'in':
      return isIn(node)
    case 'call':
      return call(node)
  }
}

/** The type of the value where there is no error; undefined where the event decides. */
export function typeOf(node: Node): CesqlType | undefined {
  switch (node.kind) {
    case 'literal':
      if (typeof node.value === 'string') return 'String'
      return typeof node.value === 'number' ? 'Integer' : 'Boolean'
    case 'attribute':
      return undefined
    case 'negate':
      return 'Integer'
    case 'chain':
      return node.rest.some(({ operator }) => isMath(operator)) ? 'Integer' : 'Boolean'
    case 'call':
      return functionOf(node)?.returns
    case 'exists':
    case 'not':
    case 'like':
    case 'in':
      return 'Boolean'
  }
}

/**
 * An attribute as CESQL sees it, undefined where it is not there. What is no value of its types, such as a
 * number with a fraction, is text (section 3.2); what every object inherits is no attribute.
 */
function attributeValue(attributes: Attributes, name: string): CesqlValue | undefined {
  const value = attributes[name]
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value !== 'number') return undefined
  return isInteger(value) ? value | 0 : String(value)
}

function attribute(name: string): Evaluate {
  const missing: Failure = {
    kind: 'missingAttribute',
    message: `the event has no ${name}`,
    value: false,
  }
  return (attributes) => attributeValue(attributes, name) ?? missing
}

function unary(node: Node, zero: CesqlValue, apply: (value: CesqlValue) => Outcome): Evaluate {
  const operand = compileNode(node)
  return (attributes) => {
    const value = operand(attributes)
    return isFailure(value) ? withValue(value, zero) : apply(value)
  }
}

function compileChain({ first, rest }: Chain): Evaluate {
  const start = compileNode(first)
  const [only, ...more] = rest
  if (only === undefined) return start
  if (isLogic(only.operator)) return logic(start, rest)
  if (more.length === 0) return binary(start, only.operator, compileNode(only.operand))
  const steps = rest.map(({ operator, operand }) => ({ operator, operand: compileNode(operand) }))
  return (attributes) => {
    let value = start(attributes)
    for (const { operator, operand } of steps) {
      if (isFailure(value)) return withValue(value, zeroOf(operator))
      const right = operand(attributes)
      if (isFailure(right)) return withValue(right, zeroOf(operator))
      value = applyBinary(operator, value, right)
    }
    return value
  }
}

function binary(left: Evaluate, operator: BinaryOperator, right: Evaluate): Evaluate {
  const zero = zeroOf(operator)
  return (attributes) => {
    const a = left(attributes)
    if (isFailure(a)) return withValue(a, zero)
    const b = right(attributes)
    return isFailure(b) ? withValue(b, zero) : applyBinary(operator, a, b)
  }
}

/** What does not matter any more is not evaluated. */
function logic(first: Evaluate, rest: Chain['rest']): Evaluate {
  const steps = rest.map(({ operator, operand }) => ({
    operator: operator as LogicOperator,
    operand: asBoolean(compileNode(operand)),
  }))
  const start = asBoolean(first)
  return (attributes) => {
    let value = start(attributes)
    for (const { operator, operand } of steps) {
      if (isFailure(value)) return value
      if (value === (operator === 'OR') && operator !== 'XOR') continue
      const right = operand(attributes)
      if (isFailure(right)) return right
      value = operator === 'XOR' ? value !== right : right
    }
    return value
  }
}

function asBoolean(evaluate: Evaluate): (attributes: Attributes) => boolean | Failure {
  return (attributes) => {
    const value = evaluate(attributes)
    return isFailure(value) ? withValue(value, false) : toBoolean(value)
  }
}

function applyBinary(operator: BinaryOperator, a: CesqlValue, b: CesqlValue): Outcome {
  if (operator === '=' || operator === '!=') {
    const left = castLike(a, b)
    if (isFailure(left)) return withValue(left, false)
    return (left === b) === (operator === '=')
  }
  const zero = zeroOf(operator)
  const left = toInteger(a)
  if (isFailure(left)) return withValue(left, zero)
  const right = toInteger(b)
  if (isFailure(right)) return withValue(right, zero)
  switch (operator) {
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
    case '/':
    case '%':
      if (right === 0) return mathFailure(`${left} ${operator} 0 has no result`)
      return integerOr(
        operator === '/' ? left / right : left % right,
        `${left} ${operator} ${right}`,
      )
    case '*':
      return integerOr(left * right, `${left} * ${right}`)
    case '+':
      return integerOr(left + right, `${left} + ${right}`)
    default:
      return integerOr(left - right, `${left} - ${right}`)
  }
}

/** Rounds towards zero. A product beyond 2^53 is not exact, but then it is out of range anyway. */
function integerOr(result: number, what: string): Outcome {
  const integer = Math.trunc(result)
  return isInteger(integer) ? integer | 0 : mathFailure(`${what} is no integer of 32 bits`)
}

function mathFailure(message: string): Failure {
  return { kind: 'math', message, value: 0 }
}

function like({ operand, pattern, negated }: Like): Evaluate {
  const matches = compileLike(pattern)
  return unary(operand, false, (value) => matches(toText(value)) !== negated)
}

/** Looks at the choices in their order, and at none behind the one that is equal. */
function isIn({ operand, choices, negated }: In): Evaluate {
  const tests = choices.map(compileNode)
  const value = compileNode(operand)
  return (attributes) => {
    const wanted = value(attributes)
    if (isFailure(wanted)) return withValue(wanted, false)
    for (const test of tests) {
      const choice = test(attributes)
      const same: Outcome = isFailure(choice) ? choice : castLike(choice, wanted)
      if (isFailure(same)) return withValue(same, false)
      if (same === wanted) return !negated
    }
    return negated
  }
}

function call(node: Call): Evaluate {
  const target = functionOf(node)
  if (target === undefined) {
    const missing: Failure = {
      kind: 'missingFunction',
      message: missingFunction(node),
      value: false,
    }
    return () => missing
  }
  const { parameters, more = 'Any', returns } = target
  const zero = ZEROS[returns]
  const args = node.args.map((arg, index) => ({
    evaluate: compileNode(arg),
    type: parameters[index] ?? more,
  }))
  return (attributes) => {
    const values: CesqlValue[] = []
    for (const { evaluate, type } of args) {
      const value = evaluate(attributes)
      const cast = isFailure(value) || type === 'Any' ? value : castLike(value, ZEROS[type])
      if (isFailure(cast)) return withValue(cast, zero)
      values.push(cast)
    }
    return target.call(values)
  }
}

function zeroOf(operator: BinaryOperator): CesqlValue {
  return isMath(operator) ? 0 : false
}

function isMath(operator: BinaryOperator): boolean {
  return '*/%+-'.includes(operator)
}

function isLogic(operator: BinaryOperator): operator is LogicOperator {
  return operator === 'AND' || operator === 'OR' || operator === 'XOR'
}
