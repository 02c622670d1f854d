/** JSON values as the TypeScript that people write: bare keys, single quotes, short things on one line. */

const WIDTH = 100
const STEP = '  '

/** `column` is how much stands before it on its line. */
export function sourceText(value: unknown, indent = '', column = indent.length): string {
  const line = oneLine(value)
  if (column + line.length <= WIDTH || !isComposite(value)) return line
  const inner = indent + STEP
  if (Array.isArray(value)) {
    const entries = value.map((one) => `${inner}${sourceText(one, inner)},\n`)
    return `[\n${entries.join('')}${indent}]`
  }
  const entries = Object.entries(value).map(([key, one]) => {
    const name = keyText(key)
    return `${inner}${name}: ${sourceText(one, inner, inner.length + name.length + 3)},\n`
  })
  return `{\n${entries.join('')}${indent}}`
}

function oneLine(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`
  if (!isComposite(value)) return JSON.stringify(value) ?? 'undefined'
  const entries = Object.entries(value).map(([key, one]) => `${keyText(key)}: ${oneLine(one)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

function keyText(key: string): string {
  // Written in any other way it would be the prototype.
  if (key === '__proto__') return `['__proto__']`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key)
}

/** With JSON's escapes, which JavaScript has too. */
function quoted(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')
  return `'${inner.replaceAll("'", String.raw`\'`)}'`
}

function isComposite(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
