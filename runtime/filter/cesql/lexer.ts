import { MillraceError } from '../../errors.ts'
import type { Place } from './ast.ts'

export type TokenKind = 'word' | 'integer' | 'string' | 'symbol' | 'end'

export interface Token {
  kind: TokenKind
  /** As it stands there; of a string what it means. */
  text: string
  /** Offsets in the expression: of its first character, and behind its last. */
  at: number
  end: number
}

/** Longer than anybody writes, and short enough that no expression keeps the runtime busy. */
export const MAX_EXPRESSION_CHARS = 65_536

/** Sticky, tried in this order: a word of digits only is an integer. */
const TOKENS: ReadonlyArray<[kind: TokenKind, pattern: RegExp]> = [
  ['integer', /\d+(?![A-Za-z0-9_])/y],
  ['word', /[A-Za-z0-9_]+/y],
  ['symbol', /<=|>=|<>|!=|[=<>+\-*/%(),]/y],
]
const SPACE = /[ \t\r\n]*/y
/** What follows a backslash never ends a string. */
const STRINGS: Readonly<Record<string, RegExp>> = {
  "'": /'(?:[^'\\]|\\[\s\S])*'/y,
  '"': /"(?:[^"\\]|\\[\s\S])*"/y,
}

/** Throws `FN_FILTER_INVALID` with line and column. The last token is `end`. */
export function tokensOf(expression: string): Token[] {
  if (expression.length > MAX_EXPRESSION_CHARS) {
    throw new MillraceError(
      'FN_FILTER_INVALID',
      `the expression has ${expression.length} characters; at most ${MAX_EXPRESSION_CHARS} are taken`,
    )
  }
  const tokens: Token[] = []
  let at = endOf(SPACE, expression, 0)
  while (at < expression.length) {
    const token = tokenAt(expression, at)
    tokens.push(token)
    at = endOf(SPACE, expression, token.end)
  }
  tokens.push({ kind: 'end', text: '', at, end: at })
  return tokens
}

export function syntaxError(expression: string, at: number, problem: string): MillraceError {
  const { line, column } = placeOf(expression, at)
  return new MillraceError('FN_FILTER_INVALID', `line ${line}, column ${column}: ${problem}`, {
    detail: { line, column },
  })
}

export function placeOf(expression: string, at: number): Place {
  const lines = expression.slice(0, at).split('\n')
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
}

function tokenAt(expression: string, at: number): Token {
  const first = expression[at] ?? ''
  const string = STRINGS[first]
  if (string !== undefined) {
    const end = endOf(string, expression, at)
    if (end === at) {
      throw syntaxError(
        expression,
        at,
        `the text that begins with ${first} does not end; inside it, ${first} is written \\${first}`,
      )
    }
    const text = expression.slice(at + 1, end - 1).replaceAll(`\\${first}`, first)
    return { kind: 'string', text, at, end }
  }
  for (const [kind, pattern] of TOKENS) {
    const end = endOf(pattern, expression, at)
    if (end > at) return { kind, text: expression.slice(at, end), at, end }
  }
  const character = String.fromCodePoint(expression.codePointAt(at) ?? 0)
  throw syntaxError(expression, at, `${JSON.stringify(character)} is no part of the language`)
}

function endOf(sticky: RegExp, text: string, at: number): number {
  sticky.lastIndex = at
  return sticky.test(text) ? sticky.lastIndex : at
}
