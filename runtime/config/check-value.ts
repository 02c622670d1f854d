import { nearest } from '../contract/nearest.ts'
import { shown } from '../contract/schema-problems.ts'
import type { KeySchema } from './schema.ts'

export type Checked = { ok: true; value: unknown } | { ok: false; expected: string }

/**
 * A value as it stands in a configuration file, against the schema of its key. These few keywords do
 * not need a validator's import, which would be half of a command's start.
 */
export function checkValue(schema: KeySchema, value: unknown): Checked {
  switch (schema.type) {
    case 'integer':
      return checkInteger(schema, value)
    case 'string':
      return checkString(schema, value)
    case 'array':
      return checkList(schema, value)
  }
}

/** The same for the text of a flag or a variable, which is read as the key's type first. */
export function checkText(schema: KeySchema, text: string): Checked {
  if (schema.type === 'integer' && /^-?\d{1,15}$/.test(text)) {
    return checkInteger(schema, Number(text))
  }
  if (schema.type === 'array') {
    const entries = text.split(',').map((entry) => entry.trim())
    return checkList(schema, text.trim() === '' ? [] : entries)
  }
  return checkValue(schema, text)
}

function checkInteger({ minimum, maximum }: KeySchema, value: unknown): Checked {
  const ok =
    Number.isInteger(value) &&
    Number(value) >= (minimum ?? -Infinity) &&
    Number(value) <= (maximum ?? Infinity)
  return ok ? { ok, value } : wrong(`a whole number from ${minimum} to ${maximum}`, value)
}

function checkString(schema: KeySchema, value: unknown): Checked {
  if (schema.enum !== undefined) {
    if (schema.enum.includes(value as string)) return { ok: true, value }
    const guess = typeof value === 'string' ? nearest(value, schema.enum) : undefined
    const list = schema.enum.map((one) => `"${one}"`).join(' or ')
    return wrong(guess === undefined ? list : `${list} (did you mean "${guess}"?)`, value)
  }
  if (typeof value !== 'string') return wrong('a text', value)
  if (value.length < (schema.minLength ?? 0)) return wrong('a text that is not empty', value)
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
    return wrong('a name of at most 63 letters a-z, digits and "-"', value)
  }
  return { ok: true, value }
}

function checkList({ items, minItems = 0 }: KeySchema, value: unknown): Checked {
  const isEntry = (one: unknown): boolean => typeof one === 'string' && isItem(items, one)
  if (Array.isArray(value) && value.every(isEntry) && value.length >= minItems) {
    return { ok: true, value }
  }
  const bad = Array.isArray(value) ? value.find((one) => !isEntry(one)) : value
  return wrong(items?.description ?? 'a list', bad ?? value)
}

function isItem(items: KeySchema['items'], text: string): boolean {
  if (items === undefined) return true
  if ('enum' in items) return items.enum.includes(text)
  return new RegExp(items.pattern).test(text)
}

function wrong(what: string, value: unknown): Checked {
  return { ok: false, expected: `must be ${what}, but is ${shown(value)}` }
}
