import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  CONFIG_KEYS,
  flagOf,
  keySchema,
  variableOf,
  type ConfigKey,
} from '../../../runtime/config/schema.ts'

const PAGE = new URL('../../../docs/reference/config.md', import.meta.url)

test('the reference page lists every key of the schema and no other, in its order', () => {
  assert.deepEqual(documentedRows(), CONFIG_KEYS.map(expectedRow))
})

function documentedRows(): string[][] {
  return readFileSync(PAGE, 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 8 && cells[1]?.startsWith('`'))
    .map((cells) => cells.slice(1, -1))
}

function expectedRow(key: ConfigKey): string[] {
  const schema = keySchema(key)
  return [
    code(key),
    code(flagOf(key)),
    code(variableOf(key)),
    valueText(key),
    schema.fallback ?? defaultText(schema.default),
    schema.description,
  ]
}

function defaultText(value: unknown): string {
  return Array.isArray(value) && value.length === 0 ? 'none' : code(String(value))
}

function valueText(key: ConfigKey): string {
  const { type, minimum, maximum, enum: choices } = keySchema(key)
  if (type === 'integer') return `${minimum} to ${maximum}`
  if (choices !== undefined) return choices.map(code).join(' or ')
  return type === 'array' ? 'list' : 'text'
}

function code(text: string): string {
  return `\`${text}\``
}
