/** What a piece of a pattern between two `%` asks for: texts, and characters of any kind between them. */
interface Piece {
  /** The texts between the `_`: one more than there are `_`. */
  texts: string[]
}

/**
 * The test for a LIKE pattern: `%` stands for any characters, `_` for one, `\%` and `\_` for themselves.
 * Takes the pieces between the `%` one after another, each where it comes first. A regular expression
 * would try every combination of places, and a stranger's text could keep it busy for hours.
 */
export function compileLike(pattern: string): (text: string) => boolean {
  const pieces = piecesOf(pattern)
  const [first, ...others] = pieces
  const last = others.pop()
  if (first === undefined) return (text) => text === ''
  if (last === undefined) return (text) => matchAt(first, text, 0) === text.length
  return (text) => {
    let at = matchAt(first, text, 0)
    for (const piece of others) {
      if (at < 0) return false
      at = find(piece, text, at)
    }
    return at >= 0 && matchesEnd(last, text, at)
  }
}

/** The only text that the pattern takes, or undefined where it has `%` or `_`. */
export function textOnly(pattern: string): string | undefined {
  const [first, ...more] = piecesOf(pattern)
  return first?.texts.length === 1 && more.length === 0 ? first.texts[0] : undefined
}

function piecesOf(pattern: string): Piece[] {
  const pieces: string[][] = [['']]
  const add = (text: string): void => {
    const texts = pieces.at(-1) ?? []
    texts.push(`${texts.pop() ?? ''}${text}`)
  }
  for (const [part] of pattern.matchAll(/\\[%_]|[%_]|[^%_\\]+|\\/g)) {
    if (part === '%') pieces.push([''])
    else if (part === '_') pieces.at(-1)?.push('')
    else add(part === '\\%' || part === '\\_' ? part.slice(1) : part)
  }
  return pieces.map((texts) => ({ texts }))
}

/** Where the piece ends that begins at `from`, or -1. */
function matchAt({ texts }: Piece, text: string, from: number): number {
  let at = from
  for (const [index, part] of texts.entries()) {
    if (index > 0) {
      if (at >= text.length) return -1
      at += widthAt(text, at)
    }
    if (!text.startsWith(part, at)) return -1
    at += part.length
  }
  return at
}

/** Where the piece ends that begins first at or after `from`, or -1. */
function find(piece: Piece, text: string, from: number): number {
  const [only = '', second] = piece.texts
  if (second === undefined) {
    const found = text.indexOf(only, from)
    return found < 0 ? -1 : found + only.length
  }
  for (let at = from; at <= text.length; at += widthAt(text, at)) {
    const end = matchAt(piece, text, at)
    if (end >= 0) return end
  }
  return -1
}

/** Whether the text ends with the piece, and the piece begins at or after `from`. */
function matchesEnd(piece: Piece, text: string, from: number): boolean {
  let start = text.length
  for (const [index, part] of piece.texts.toReversed().entries()) {
    if (index > 0) start -= widthBefore(text, start)
    start -= part.length
    if (start < from) return false
  }
  return matchAt(piece, text, start) === text.length
}

/** A character outside the basic plane takes two code units. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xff_ff ? 2 : 1
}

function widthBefore(text: string, at: number): number {
  return at >= 2 && (text.codePointAt(at - 2) ?? 0) > 0xff_ff ? 2 : 1
}
