/** CESQL expressions as trees, and every such tree as a text with no more brackets than it needs. */
import fc from 'fast-check'
import type { Expression } from './filter-cesql-reference.ts'

const NAMES = ['type', 'source', 'subject', 'dataschema', 'priority', 'constructor'] as const
const TEXTS = [
  'a',
  'ab',
  'abc',
  'b',
  'A',
  '',
  '5',
  '+5',
  '-7',
  'true',
  'False',
  'ä',
  '😀x',
  ' a ',
] as const
const PATTERNS = [
  'a',
  'a%',
  '%b',
  '%',
  '_',
  '_b%',
  'a_%c',
  '%a%',
  '5',
  't%e',
  '\\%',
  '_x',
  '',
] as const
const INTEGERS = [0, 1, 2, 5, -7, 100, 2_147_483_647, -2_147_483_648] as const

const MATH = ['+', '-', '*', '/', '%'] as const
const COMPARISONS = ['<', '<=', '>', '>='] as const
const EQUALITIES = ['=', '!=', '<>'] as const
const LOGIC = ['AND', 'OR', 'XOR'] as const

const attribute = fc.constantFrom(...NAMES).map((name): Expression => ({ is: 'attribute', name }))
const text = literals(TEXTS)
const integer = literals(INTEGERS)

type Typed = Record<'bool' | 'int' | 'text' | 'any', Expression>

/** Mostly of the types that the operators take: otherwise all would be errors. */
const typed = fc.letrec<Typed>((tie) => ({
  bool: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 4, arbitrary: binary(EQUALITIES, attribute, text) },
    { weight: 1, arbitrary: binary(EQUALITIES, tie('any'), tie('any')) },
    { weight: 2, arbitrary: binary(COMPARISONS, tie('int'), tie('int')) },
    { weight: 4, arbitrary: binary(LOGIC, tie('bool'), tie('bool')) },
    { weight: 2, arbitrary: like(tie('text')) },
    { weight: 2, arbitrary: isIn(tie('any'), fc.oneof(text, integer, tie('any'))) },
    { weight: 2, arbitrary: isIn(attribute, text) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...NAMES).map((name): Expression => ({ is: 'exists', name })),
    },
    { weight: 1, arbitrary: literals([true, false]) },
    { weight: 1, arbitrary: tie('bool').map((of): Expression => ({ is: 'NOT', of })) },
    { weight: 1, arbitrary: call(['BOOL', 'IS_BOOL', 'IS_INT', 'NOPE'], tie('any')) },
  ),
  int: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 4, arbitrary: integer },
    { weight: 1, arbitrary: attribute },
    { weight: 2, arbitrary: binary(MATH, tie('int'), tie('int')) },
    { weight: 1, arbitrary: tie('int').map((of): Expression => ({ is: '-', of })) },
    { weight: 1, arbitrary: call(['INT', 'ABS'], tie('int')) },
    { weight: 1, arbitrary: call(['LENGTH'], tie('text')) },
  ),
  text: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 4, arbitrary: text },
    { weight: 4, arbitrary: attribute },
    { weight: 1, arbitrary: call(['LOWER', 'UPPER', 'TRIM'], tie('text')) },
    { weight: 1, arbitrary: call(['STRING'], tie('any')) },
    { weight: 1, arbitrary: call(['LEFT', 'RIGHT', 'SUBSTRING'], tie('text'), tie('int')) },
    { weight: 1, arbitrary: call(['SUBSTRING'], tie('text'), tie('int'), tie('int')) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom('CONCAT', 'CONCAT_WS'), fc.array(tie('text'), { maxLength: 3 }))
        .map(([name, args]): Expression => ({ is: 'call', name, args })),
    },
  ),
  any: fc.oneof(tie('bool'), tie('int'), tie('text')),
}))

export interface WrittenExpression {
  expression: Expression
  text: string
}

/** An expression, and a way to write it: letters of either case, more or fewer spaces. */
export const writtenExpression: fc.Arbitrary<WrittenExpression> = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: typed.bool }, { weight: 1, arbitrary: typed.any }),
    fc.record({
      lower: fc.boolean(),
      quote: fc.constantFrom("'", '"'),
      space: fc.constantFrom(' ', '\n\t'),
    }),
  )
  .map(([expression, style]) => ({ expression, text: write(expression, style) }))

const written = new Map<string, Expression>()

/** As a filter has it. `expressionOf` knows what was written. */
export const cesqlText: fc.Arbitrary<string> = fc
  .oneof({ weight: 9, arbitrary: typed.bool }, { weight: 1, arbitrary: attribute })
  .map((expression) => {
    const source = write(expression, { lower: false, quote: "'", space: ' ' })
    written.set(source, expression)
    return source
  })

export function expressionOf(source: string): Expression {
  const expression = written.get(source)
  if (expression === undefined) throw new Error(`nobody wrote ${source}`)
  return expression
}

interface Style {
  lower: boolean
  quote: string
  space: string
}

/** From CloudEvents SQL 1.0, section 3.6: the higher binds more tightly. */
const RANKS: Array<readonly string[]> = [
  LOGIC,
  [...EQUALITIES, ...COMPARISONS],
  ['+', '-'],
  ['*', '/', '%'],
]

function rankOf(node: Expression): number {
  if (node.is === 'binary') return RANKS.findIndex((operators) => operators.includes(node.operator))
  if (node.is === 'LIKE' || node.is === 'IN') return 4
  if (node.is === 'NOT' || node.is === '-') return 5
  return 6
}

function write(node: Expression, style: Style): string {
  const word = (keyword: string): string => (style.lower ? keyword.toLowerCase() : keyword)
  /** In brackets where it would bind less tightly than `rank`. */
  const inner = (part: Expression, rank: number): string =>
    rankOf(part) < rank ? `(${write(part, style)})` : write(part, style)
  const parts = (...all: string[]): string => all.filter((one) => one !== '').join(style.space)
  switch (node.is) {
    case 'literal':
      return typeof node.value === 'string'
        ? `${style.quote}${node.value}${style.quote}`
        : word(String(node.value).toUpperCase())
    case 'attribute':
      return node.name
    case 'exists':
      return parts(word('EXISTS'), node.name)
    case 'NOT':
      return parts(word('NOT'), inner(node.of, 5))
    case '-':
      // A sign before digits belongs to them.
      return node.of.is === 'literal' ? `-(${write(node.of, style)})` : `-${inner(node.of, 5)}`
    case 'binary': {
      const rank = rankOf(node)
      return parts(inner(node.left, rank), word(node.operator), inner(node.right, rank + 1))
    }
    case 'LIKE': {
      const pattern = `${style.quote}${node.pattern}${style.quote}`
      return parts(inner(node.of, 4), node.negated ? word('NOT') : '', word('LIKE'), pattern)
    }
    case 'IN': {
      const choices = node.choices.map((one) => write(one, style)).join(',')
      return parts(inner(node.of, 4), node.negated ? word('NOT') : '', word('IN'), `(${choices})`)
    }
    case 'call':
      return `${word(node.name)}(${node.args.map((arg) => write(arg, style)).join(`,${style.space}`)})`
  }
}

function literals(values: ReadonlyArray<string | number | boolean>): fc.Arbitrary<Expression> {
  return fc.constantFrom(...values).map((value): Expression => ({ is: 'literal', value }))
}

function binary(
  operators: readonly string[],
  left: fc.Arbitrary<Expression>,
  right: fc.Arbitrary<Expression>,
): fc.Arbitrary<Expression> {
  return fc
    .tuple(fc.constantFrom(...operators), left, right)
    .map(([operator, a, b]) => ({ is: 'binary', operator, left: a, right: b }))
}

function like(of: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> {
  return fc
    .tuple(of, fc.constantFrom(...PATTERNS), fc.boolean())
    .map(([operand, pattern, negated]) => ({ is: 'LIKE', of: operand, pattern, negated }))
}

function isIn(
  of: fc.Arbitrary<Expression>,
  choice: fc.Arbitrary<Expression>,
): fc.Arbitrary<Expression> {
  return fc
    .tuple(of, fc.array(choice, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([operand, choices, negated]) => ({ is: 'IN', of: operand, choices, negated }))
}

function call(
  names: readonly string[],
  ...args: Array<fc.Arbitrary<Expression>>
): fc.Arbitrary<Expression> {
  return fc
    .tuple(fc.constantFrom(...names), fc.tuple(...args))
    .map(([name, values]) => ({ is: 'call', name, args: values }))
}
