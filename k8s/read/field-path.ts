/** Problems that others say in one line, path first, as a path and what is wrong there. */
import type { Path, Problem } from './shape.ts'

const STEP = /^(?:\.?([\w-]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\])/

/** Of `spec.filters[0].exact: "Type" is no …` the path is `spec.filters[0].exact`. */
export function problemAt(line: string): Problem {
  const path: Array<string | number> = []
  let rest = line
  for (let match = STEP.exec(rest); match !== null; match = STEP.exec(rest)) {
    const [whole, word, index, quoted] = match
    // Without a dot before it, a word begins the message.
    if (word !== undefined && path.length > 0 && !whole.startsWith('.')) break
    path.push(
      word ?? (index === undefined ? (JSON.parse(`"${quoted ?? ''}"`) as string) : Number(index)),
    )
    rest = rest.slice(whole.length)
  }
  return { path: path as Path, message: rest.replace(/^:?\s+/, '') }
}
