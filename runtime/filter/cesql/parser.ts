/**
 * CESQL's grammar (CloudEvents SQL 1.0, sections 2 and 3.6): unary operators bind most tightly, then
 * LIKE, EXISTS and IN, then `* / %`, `+ -`, the comparisons, and last AND, OR and XOR, which are equals.
 * Operators of one rank go from left to right.
 */
import type { BinaryOperator, Brackets, Chain, Node, Syntax } from './ast.ts'
import { placeOf, syntaxError, type Token, tokensOf } from './lexer.ts'
import { isInteger } from './value.ts'

/** Brackets, calls and unary operators inside each other. Bounds the stack of the parser. */
export const MAX_DEPTH = 100
/** Each bracket may hold an operator of every rank. Bounds the stack of the evaluation. */
const MAX_TREE_DEPTH = 5 * MAX_DEPTH

const LOGIC: Readonly<Record<string, BinaryOperator>> = { AND: 'AND', OR: 'OR', XOR: 'XOR' }
const COMPARISONS: Readonly<Record<string, BinaryOperator>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
}
/** Loosest first. */
const RANKS: ReadonlyArray<Readonly<Record<string, BinaryOperator>>> = [
  LOGIC,
  COMPARISONS,
  { '+': '+', '-': '-' },
  { '*': '*', '/': '/', '%': '%' },
]

const KEYWORDS: ReadonlySet<string> = new Set('AND OR XOR NOT LIKE EXISTS IN TRUE FALSE'.split(' '))
const ATTRIBUTE_NAME = /^[a-z0-9]+$/
const FUNCTION_NAME = /^[A-Z][A-Z_]*$/

/** Throws `FN_FILTER_INVALID` with line, column and what was expected there. */
export function parseCesql(expression: string): Syntax {
  const parser = new Parser(expression)
  parser.doubtDashes()
  return { root: parser.expression(), doubts: parser.doubts, rightward: parser.rightward }
}

class Parser {
  readonly doubts: string[] = []
  readonly rightward: Brackets[] = []
  readonly #source: string
  readonly #tokens: Token[]
  readonly #end: Token
  /** Unary operations that no bracket encloses. */
  readonly #bare = new Map<Node, Token>()
  readonly #depths = new Map<Node, number>()
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = tokensOf(source)
    this.#end = this.#tokens.at(-1) ?? { kind: 'end', text: '', at: 0, end: 0 }
  }

  expression(): Node {
    const root = this.#ranked(0)
    if (this.#peek().kind !== 'end') throw this.#unexpected('an operator or the end')
    return root
  }

  #ranked(rank: number): Node {
    const operators = RANKS[rank]
    if (operators === undefined) return this.#suffixed()
    const first = this.#ranked(rank + 1)
    const chain: Chain = { kind: 'chain', first, rest: [] }
    const start = this.#peek()
    const starts: number[] = []
    for (;;) {
      const operator = this.#binary(operators)
      if (operator === undefined) break
      starts.push(this.#peek().at)
      chain.rest.push({ operator, operand: this.#ranked(rank + 1) })
    }
    if (chain.rest.length === 0) return first
    if (rank === 0) this.#doubtLogic(chain, start, starts)
    if (!Object.hasOwn(LOGIC, chain.rest[0]?.operator ?? '')) this.#doubtNot(first, start.text)
    return this.#deeper(chain, [first, ...chain.rest.map(({ operand }) => operand)])
  }

  #binary(operators: Readonly<Record<string, BinaryOperator>>): BinaryOperator | undefined {
    const { kind, text } = this.#peek()
    if (kind !== 'symbol' && kind !== 'word') return undefined
    const name = text.toUpperCase()
    if (!Object.hasOwn(operators, name)) return undefined
    this.#at++
    return operators[name]
  }

  /** An operand with what LIKE and IN ask of it. */
  #suffixed(): Node {
    let node = this.#prefixed()
    for (;;) {
      const next = this.#peek()
      const negated = this.#isWord('NOT')
      const operator = this.#tokens[this.#at + (negated ? 1 : 0)] ?? this.#end
      const isLike = isWord(operator, 'LIKE')
      if (!isLike && !isWord(operator, 'IN')) {
        if (negated) {
          this.#at++
          throw this.#unexpected('LIKE or IN after NOT')
        }
        return node
      }
      this.#at += negated ? 2 : 1
      this.#doubtNot(node, next.text)
      node = isLike ? this.#like(node, negated) : this.#in(node, negated)
    }
  }

  #like(operand: Node, negated: boolean): Node {
    const pattern = this.#peek()
    if (pattern.kind !== 'string') throw this.#unexpected("a pattern in quotes such as 'com.%'")
    this.#at++
    return this.#deeper({ kind: 'like', operand, pattern: pattern.text, negated }, [operand])
  }

  #in(operand: Node, negated: boolean): Node {
    if (!this.#take('(')) throw this.#unexpected('"(" and a list of values')
    const choices = this.#list()
    return this.#deeper({ kind: 'in', operand, choices, negated }, [operand, ...choices])
  }

  #prefixed(): Node {
    const token = this.#peek()
    if (this.#isWord('NOT')) return this.#unary('not')
    if (token.kind === 'symbol' && (token.text === '-' || token.text === '+')) {
      const next = this.#tokens[this.#at + 1] ?? this.#end
      if (next.kind === 'integer') {
        this.#at++
        return this.#integer(token.text, next)
      }
      if (token.text === '-') return this.#unary('negate')
    }
    return this.#primary(token)
  }

  #unary(kind: 'not' | 'negate'): Node {
    const token = this.#peek()
    this.#at++
    const operand = this.#nested(() => this.#prefixed())
    const node = this.#deeper({ kind, operand }, [operand])
    if (kind === 'not') this.#bare.set(node, token)
    return node
  }

  #primary(token: Token): Node {
    if (token.kind === 'integer') return this.#integer('', token)
    if (token.kind === 'string') {
      this.#at++
      return { kind: 'literal', value: token.text }
    }
    if (token.kind === 'word') return this.#word(token)
    if (!this.#take('(')) throw this.#unexpected('a value')
    const inner = this.#nested(() => this.#ranked(0))
    if (!this.#take(')')) throw this.#unexpected('an operator or ")"')
    this.#bare.delete(inner)
    return inner
  }

  #integer(sign: string, digits: Token): Node {
    const value = Number(sign + digits.text)
    if (!isInteger(value)) {
      throw this.#error(digits, `${sign}${digits.text} is no integer of 32 bits`)
    }
    this.#at++
    return { kind: 'literal', value: value | 0 }
  }

  #word(token: Token): Node {
    const upper = token.text.toUpperCase()
    if (upper === 'TRUE' || upper === 'FALSE') {
      this.#at++
      return { kind: 'literal', value: upper === 'TRUE' }
    }
    if (upper === 'EXISTS') {
      this.#at++
      return { kind: 'exists', name: this.#attributeName('an attribute name') }
    }
    const next = this.#tokens[this.#at + 1] ?? this.#end
    const isCall = next.kind === 'symbol' && next.text === '('
    if (isCall && FUNCTION_NAME.test(upper) && !KEYWORDS.has(upper)) return this.#call(token, upper)
    return { kind: 'attribute', name: this.#attributeName('a value') }
  }

  #attributeName(wanted: string): string {
    const token = this.#peek()
    const isName = token.kind === 'word' || token.kind === 'integer'
    if (!isName || KEYWORDS.has(token.text.toUpperCase())) throw this.#unexpected(wanted)
    const name = token.text.toLowerCase()
    if (!ATTRIBUTE_NAME.test(name)) {
      throw this.#error(token, `${token.text} is no attribute name: those are made of a-z and 0-9`)
    }
    this.#at++
    return name
  }

  #call(token: Token, name: string): Node {
    this.#at += 2
    const args = this.#take(')') ? [] : this.#list()
    const place = placeOf(this.#source, token.at)
    return this.#deeper({ kind: 'call', name, args, place }, args)
  }

  /** At least one expression, up to the closing bracket. */
  #list(): Node[] {
    return this.#nested(() => {
      const items = [this.#ranked(0)]
      while (this.#take(',')) items.push(this.#ranked(0))
      if (!this.#take(')')) throw this.#unexpected('an operator, "," or ")"')
      for (const item of items) this.#bare.delete(item)
      return items
    })
  }

  #nested<T>(parse: () => T): T {
    this.#depth++
    if (this.#depth > MAX_DEPTH) throw this.#tooDeep()
    const result = parse()
    this.#depth--
    return result
  }

  /** LIKE after LIKE needs no stack here, but would in evaluation. */
  #deeper<N extends Node>(node: N, below: readonly Node[]): N {
    const depth = 1 + below.reduce((most, one) => Math.max(most, this.#depths.get(one) ?? 0), 0)
    if (depth > MAX_TREE_DEPTH) throw this.#tooDeep()
    this.#depths.set(node, depth)
    return node
  }

  #doubtLogic({ rest }: Chain, start: Token, starts: readonly number[]): void {
    const names = new Set(rest.map(({ operator }) => operator))
    if (names.size < 2) return
    const close = this.#tokens[this.#at - 1]?.end ?? 0
    for (const [index, open] of starts.entries()) {
      const next = rest[index + 1]?.operator
      if (next !== undefined && next !== rest[index]?.operator) this.rightward.push({ open, close })
    }
    this.doubts.push(
      `${[...names].join(' and ')} bind equally and go from left to right (column ${placeOf(this.#source, start.at).column}), in Knative from right to left; say with brackets what belongs together`,
    )
  }

  #doubtNot(operand: Node, operator: string): void {
    const token = this.#bare.get(operand)
    if (token === undefined) return
    const { column } = placeOf(this.#source, token.at)
    this.doubts.push(
      `NOT (column ${column}) binds more tightly than ${operator.toUpperCase()}; write NOT ( … ) around all that it is for`,
    )
  }

  /** `my-header` looks like one name and is a subtraction. */
  doubtDashes(): void {
    for (const [index, dash] of this.#tokens.entries()) {
      const [before, after] = [this.#tokens[index - 1], this.#tokens[index + 1]]
      if (dash.text !== '-' || before?.kind !== 'word' || after?.kind !== 'word') continue
      if (before.end !== dash.at || dash.end !== after.at) continue
      const { column } = placeOf(this.#source, before.at)
      this.doubts.push(
        `${before.text}-${after.text} (column ${column}) takes ${after.text} from ${before.text}, since no attribute has a "-" in its name; put spaces around it if that is meant`,
      )
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? this.#end
  }

  #isWord(keyword: string): boolean {
    return isWord(this.#peek(), keyword)
  }

  #take(symbol: string): boolean {
    const { kind, text } = this.#peek()
    if (kind !== 'symbol' || text !== symbol) return false
    this.#at++
    return true
  }

  #unexpected(wanted: string): Error {
    const token = this.#peek()
    const found = token.kind === 'end' ? 'the end' : JSON.stringify(token.text)
    return this.#error(token, `expected ${wanted}, found ${found}`)
  }

  #tooDeep(): Error {
    return this.#error(
      this.#peek(),
      `too many brackets and operators inside each other; ${MAX_DEPTH} are taken`,
    )
  }

  #error(token: Token, problem: string): Error {
    return syntaxError(this.#source, token.at, problem)
  }
}

function isWord({ kind, text }: Token, keyword: string): boolean {
  return kind === 'word' && text.toUpperCase() === keyword
}
