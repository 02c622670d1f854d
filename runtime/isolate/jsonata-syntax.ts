/** Whether a JSONata expression can be parsed, before an event depends on it. */
import { createRequire } from 'node:module'
import type jsonata from 'jsonata'

const require = createRequire(import.meta.url)

/** What is wrong and where, or undefined. Nothing is evaluated: that is for an isolate. */
export function jsonataProblem(expression: string): string | undefined {
  // Loaded where there is an expression at all; most projects have none.
  const parse = require('jsonata') as typeof jsonata
  try {
    parse(expression)
    return undefined
  } catch (error) {
    return described(error, expression)
  }
}

function described(error: unknown, expression: string): string {
  if (typeof error !== 'object' || error === null) return String(error)
  const { position, message } = error as { position?: unknown; message?: unknown }
  // What the parser says is a plain object; an Error is the end of the stack.
  if (error instanceof Error) return 'is nested too deep to be read as JSONata'
  const said = `no JSONata: ${String(message)}`
  if (typeof position !== 'number') return said
  const before = expression.slice(0, position).split('\n')
  // The position is where the symbol ends.
  return `line ${before.length}, column ${Math.max(before.at(-1)?.length ?? 0, 1)}: ${said}`
}
