import { styleText } from 'node:util'

const LEVEL_STYLES: Readonly<Record<string, 'gray' | 'green' | 'yellow' | 'red'>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
}

/**
 * One JSON line of the logger as a line for people: `12:00:01 info  message key=value`, local time, and
 * below it the stack of an error. What came from events is escaped: it can neither start a line of its
 * own nor send control sequences to a terminal.
 */
export function formatPretty(line: string, color: boolean): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const name = String(level)
  const style = LEVEL_STYLES[name]
  const label = name.padEnd(5)
  const parts = [
    clock(String(time)),
    color && style !== undefined ? styleText(style, label, { validateStream: false }) : label,
    text(msg),
    ...Object.entries(fields).map(([key, value]) => `${visible(key)}=${shown(value)}`),
  ]
  return `${parts.join(' ')}\n${stackOf(err)}`
}

function clock(time: string): string {
  const at = new Date(time)
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':')
}

function shown(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=\p{C}]+$/u.test(value)) return value
  return visible(JSON.stringify(value))
}

function text(value: unknown): string {
  return typeof value === 'string' ? visible(value) : visible(JSON.stringify(value) ?? '')
}

/** pino gives an error as `{ type, message, stack, code?, … }`. */
function stackOf(err: unknown): string {
  if (err === undefined) return ''
  if (typeof err !== 'object' || err === null) return `    ${visible(JSON.stringify(err))}\n`
  const { type, message, stack, code } = err as Record<string, unknown>
  const trace = typeof stack === 'string' ? stack : `${text(type)}: ${text(message)}`
  const lines = trace.split('\n').map((each) => `    ${visible(each.trimStart())}\n`)
  return code === undefined ? lines.join('') : `    ${text(code)}\n${lines.join('')}`
}

/** Control and format characters (C0, C1, bidi overrides, line separators) as escapes. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
}
