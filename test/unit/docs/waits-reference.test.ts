import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DEFAULT_DELIVERY, type Compat } from '../../../runtime/contract/manifest.ts'
import { backoffMs } from '../../../runtime/delivery/policy.ts'

const PAGE = readFileSync(new URL('../../../docs/reference/metadata.md', import.meta.url), 'utf8')
const COMPATS = ['knative-kafka', 'knative-core', 'spec'] as const

test('the waits on the page are those that are waited', () => {
  const rows = [...PAGE.matchAll(/^\| `(\S+)` +\| ([0-9d, ]+) \| ([0-9d, ]+) \|$/gm)]
  assert.deepEqual(
    rows.map(([, ...cells]) => cells.map((cell) => cell.trim())),
    COMPATS.map((compat) => [compat, row(compat, 'linear'), row(compat, 'exponential')]),
  )
})

function row(compat: Compat, backoffPolicy: 'linear' | 'exponential'): string {
  const policy = { ...DEFAULT_DELIVERY, compat, backoffPolicy, backoffDelayMs: 1 }
  return [1, 2, 3, 4].map((n) => inDelays(backoffMs(n, policy))).join(', ')
}

function inDelays(factor: number): string {
  if (factor === 0) return '0'
  return factor === 1 ? 'd' : `${factor}d`
}
