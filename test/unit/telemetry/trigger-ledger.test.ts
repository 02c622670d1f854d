import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LEDGER_ENTRIES, TriggerLedger } from '../../../runtime/telemetry/trigger-ledger.ts'

test('consumed is the sum of the outcomes and what is in flight, after any history', () => {
  const entry = fc.constantFrom(...LEDGER_ENTRIES)
  const step = fc.oneof(
    fc.record({ consumed: fc.nat(1_000) }),
    fc.record({ entry, n: fc.nat(1_000) }),
  )
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const ledger = new TriggerLedger()
      let consumed = 0
      let ended = 0
      for (const each of steps) {
        if ('consumed' in each) {
          ledger.consumed(each.consumed)
          consumed += each.consumed
        } else {
          ledger.outcome(each.entry, each.n)
          ended += each.n
        }
        const books = ledger.snapshot()
        const sum = Object.values(books.outcomes).reduce((a, b) => a + b, 0)
        assert.equal(books.consumed, sum + books.inFlight)
        assert.equal(books.consumed, consumed)
        assert.equal(books.inFlight, consumed - ended)
      }
    }),
  )
})

test('a snapshot does not change when the ledger goes on', () => {
  const ledger = new TriggerLedger()
  ledger.consumed(2)
  const before = ledger.snapshot()
  ledger.outcome('acked', 1)
  assert.equal(before.outcomes.acked, 0)
  assert.equal(before.inFlight, 2)
})
