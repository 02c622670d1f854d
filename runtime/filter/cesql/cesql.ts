/** CESQL, the CloudEvents SQL Expression Language 1.0.0: parsed once, compiled once. */
import { type Node, nodesOf } from './ast.ts'
import { compileNode, type Evaluate, typeOf } from './compile.ts'
import { functionOf, missingFunction } from './functions.ts'
import { parseCesql } from './parser.ts'

export interface Cesql {
  root: Node
  /** The attributes that the expression looks at. */
  attributes: ReadonlySet<string>
  /** The value, or the first error with the value beside it. Never throws. */
  evaluate: Evaluate
}

/** Throws `FN_FILTER_INVALID` with line, column and what was expected there. */
export function compileCesql(expression: string): Cesql {
  const { root } = parseCesql(expression)
  return { root, attributes: attributesOf(root), evaluate: compileNode(root) }
}

/**
 * What is wrong with an expression as a filter beyond its syntax: it calls what does not exist, or its
 * value is never a Boolean, and such an event must not pass (CloudEvents SQL 1.0, section 1.2).
 */
export function cesqlProblems(root: Node): string[] {
  const missing = callProblems(root)
  if (missing.length > 0) return missing
  const type = typeOf(root)
  if (type === undefined || type === 'Boolean') return []
  return [
    `the value is of the type ${type}, and only TRUE lets an event pass; compare it with something`,
  ]
}

/** Calls of functions that do not exist, each with its place. */
export function callProblems(root: Node): string[] {
  return nodesOf(root).flatMap((node) =>
    node.kind === 'call' && functionOf(node) === undefined
      ? [`line ${node.place.line}, column ${node.place.column}: ${missingFunction(node)}`]
      : [],
  )
}

/** One sentence for each thing that is allowed and most likely not meant. */
export function adviseCesql(expression: string): string[] {
  const { root, doubts } = parseCesql(expression)
  if (root.kind === 'attribute') {
    return [
      ...doubts,
      `passes only where ${root.name} is a Boolean, and what came in a header is a text; write ${root.name} = TRUE`,
    ]
  }
  if (attributesOf(root).size > 0) return doubts
  const passes = compileNode(root)({}) === true
  return [...doubts, `looks at no attribute: ${passes ? 'every' : 'no'} event passes`]
}

function attributesOf(root: Node): Set<string> {
  return new Set(
    nodesOf(root).flatMap((node) =>
      node.kind === 'attribute' || node.kind === 'exists' ? [node.name] : [],
    ),
  )
}
