import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteBudget } from '../../../runtime/ingress/byte-budget.ts'

test('what fits is taken, and a full budget takes nothing, not even an empty body', () => {
  const budget = new ByteBudget(10)
  assert.ok(budget.fits(10))
  assert.ok(!budget.fits(11))
  budget.take(10)
  assert.ok(!budget.fits(0))
  budget.release(4)
  assert.equal(budget.usedBytes, 6)
  assert.ok(budget.fits(4))
  assert.ok(!budget.fits(5))
})
