/** The tree of a CESQL expression. */

export type CesqlValue = string | number | boolean

export type LogicOperator = 'AND' | 'OR' | 'XOR'
export type ComparisonOperator = '=' | '!=' | '<' | '<=' | '>' | '>='
export type MathOperator = '*' | '/' | '%' | '+' | '-'
export type BinaryOperator = LogicOperator | ComparisonOperator | MathOperator

/** Where a part of the expression begins; both count from 1. */
export interface Place {
  line: number
  column: number
}

export interface Literal {
  kind: 'literal'
  value: CesqlValue
}

export interface Attribute {
  kind: 'attribute'
  /** Lower case, as CloudEvents has its names. */
  name: string
}

export interface Exists {
  kind: 'exists'
  name: string
}

export interface Unary {
  kind: 'not' | 'negate'
  operand: Node
}

/**
 * Operators of one precedence, from left to right. A list in place of pairs of pairs: a thousand terms
 * are no deeper than one.
 */
export interface Chain {
  kind: 'chain'
  first: Node
  rest: Array<{ operator: BinaryOperator; operand: Node }>
}

export interface Like {
  kind: 'like'
  operand: Node
  pattern: string
  negated: boolean
}

export interface In {
  kind: 'in'
  operand: Node
  choices: Node[]
  negated: boolean
}

export interface Call {
  kind: 'call'
  /** Upper case. */
  name: string
  args: Node[]
  place: Place
}

export type Node = Literal | Attribute | Exists | Unary | Chain | Like | In | Call

export interface Syntax {
  root: Node
  /** One sentence for each place that readers and other implementations may take for something else. */
  doubts: string[]
  /**
   * The brackets, as offsets, with which AND, OR and XOR would go from right to left, which is how the
   * CloudEvents SDKs for Go and Java read them, and with them Knative.
   */
  rightward: Brackets[]
}

export interface Brackets {
  open: number
  close: number
}

/** The nodes directly below one. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'literal':
    case 'attribute':
    case 'exists':
      return []
    case 'not':
    case 'negate':
    case 'like':
      return [node.operand]
    case 'chain':
      return [node.first, ...node.rest.map(({ operand }) => operand)]
    case 'in':
      return [node.operand, ...node.choices]
    case 'call':
      return node.args
  }
}

/** A node and all below it. */
export function nodesOf(node: Node): Node[] {
  return [node, ...childrenOf(node).flatMap(nodesOf)]
}
