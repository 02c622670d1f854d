import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CappedLabels, MAX_LABEL_VALUES } from '../../../runtime/telemetry/capped-labels.ts'

test('the first 200 values keep their names and all later ones are other', () => {
  const labels = new CappedLabels()
  for (let i = 0; i < MAX_LABEL_VALUES; i++) assert.equal(labels.admit(`t${i}`), `t${i}`)
  assert.equal(labels.admit('one more'), 'other')
  assert.equal(labels.admit('t0'), 't0')
  assert.equal(labels.admit('t199'), 't199')
})

test('a value too long for a label is other and takes no place', () => {
  const labels = new CappedLabels()
  assert.equal(labels.admit('x'.repeat(257)), 'other')
  assert.equal(labels.admit('x'.repeat(256)), 'x'.repeat(256))
})
