/**
 * The handler of an EventTransform: JSONata over the whole event as JSON. It runs in an isolate like any
 * function, so an expression that never ends or grows without end costs nobody else anything.
 */
import jsonata from 'jsonata'

/** Put before this program; see `transform-bundle.ts`. */
declare const EXPRESSION: string

type Fields = Record<string, unknown>

const REQUIRED = ['specversion', 'id', 'source', 'type']
const BASE64_CHUNK = 8_192
/** The kernel's mark for what is not tried again; see `author/errors.ts`. */
const OUTCOME = Symbol.for('millrace.outcome')

const expression = compiled()

/** `undefined` is no reply; anything else has to be an event. */
export async function handler(event: Fields): Promise<Fields | undefined> {
  const input = jsonOf(event)
  let result: unknown
  try {
    result = await expression.evaluate(input)
  } catch (error) {
    throw failure(described(error))
  }
  return result === undefined ? undefined : eventOf(result)
}

function compiled(): jsonata.Expression {
  try {
    return jsonata(EXPRESSION)
  } catch (error) {
    throw failure(described(error))
  }
}

/** The CloudEvents JSON format. */
function jsonOf(event: Fields): Fields {
  const { data, ...fields } = event
  if (data instanceof Uint8Array) fields['data_base64'] = base64(data)
  else if (data !== undefined) fields['data'] = data
  return fields
}

function eventOf(result: unknown): Fields {
  // Through JSON, since a result may hold functions and sequences with properties of their own.
  const value: unknown = JSON.parse(JSON.stringify(result) ?? 'null')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const shown = Array.isArray(value) ? 'a list' : String(value)
    throw failure(`the result is ${shown}; it has to be one event, or nothing`)
  }
  const { data_base64: text, ...event } = value as Fields
  const missing = REQUIRED.filter((name) => typeof event[name] !== 'string' || event[name] === '')
  if (missing.length > 0) {
    throw failure(`the result is no event: it has no ${missing.join(', ')}`)
  }
  if (text === undefined) return event
  if (typeof text !== 'string' || event['data'] !== undefined) {
    throw failure('data_base64 of the result has to be text, with no data beside it')
  }
  try {
    return { ...event, data: Uint8Array.from(atob(text), (char) => char.charCodeAt(0)) }
  } catch {
    throw failure('data_base64 of the result is no base64')
  }
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += BASE64_CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + BASE64_CHUNK))
  }
  return btoa(text)
}

function described(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error)
  const { code, position, message } = error as Fields
  const where = typeof position === 'number' ? ` at position ${position} of the expression` : ''
  return `${typeof code === 'string' ? `${code}: ` : ''}${String(message)}${where}`
}

/** The same event would fail again. */
function failure(message: string): Error {
  return Object.assign(new Error(message), { name: 'TransformFailed', [OUTCOME]: 'dead-letter' })
}
