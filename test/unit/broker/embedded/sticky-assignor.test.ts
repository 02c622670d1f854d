import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assignSticky } from '../../../../runtime/broker/embedded/sticky-assignor.ts'
import type { Candidate } from '../../../../runtime/broker/embedded/sticky-assignor.ts'

const PARTITIONS = 'abcdefgh'.split('')

interface Member extends Candidate<string> {
  wanted: Set<string>
  owned: Set<string>
}

function member(wanted: Iterable<string>, owned: Iterable<string>): Member {
  const [wants, owns] = [new Set(wanted), new Set(owned)]
  return {
    wanted: wants,
    owned: owns,
    wants: (one) => wants.has(one),
    owns: (one) => owns.has(one),
  }
}

const subset = fc.subarray(PARTITIONS)

test('Every wanted partition has one owner, who wants it, and none of the others has one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(subset, subset), { maxLength: 5 }), (wishes) => {
      const members = wishes.map(([wanted, owned]) => member(wanted, owned))
      const shares = assignSticky(PARTITIONS, members)
      const given = [...shares.values()].flat().sort()
      const wanted = PARTITIONS.filter((one) => members.some(({ wanted: set }) => set.has(one)))
      assert.deepEqual(given, wanted)
      for (const [{ wanted: set }, share] of shares) assert.ok(share.every((one) => set.has(one)))
    }),
  )
})

test('Members that want the same end at most one apart, and what they may keep they keep', () => {
  const owners = fc.array(fc.integer({ min: -1, max: 5 }), {
    minLength: PARTITIONS.length,
    maxLength: PARTITIONS.length,
  })
  fc.assert(
    fc.property(owners, fc.integer({ min: 1, max: 5 }), (owner, count) => {
      const members = Array.from({ length: count }, (_, m) =>
        member(
          PARTITIONS,
          PARTITIONS.filter((_one, i) => owner[i] === m),
        ),
      )
      const shares = assignSticky(PARTITIONS, members)
      const sizes = [...shares.values()].map((share) => share.length)
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join())
      for (const [{ owned }, share] of shares) {
        const kept = share.filter((one) => owned.has(one)).length
        // Who is left with more than it had gives nothing away; who gives, gives no more than it must.
        assert.equal(kept, Math.min(owned.size, share.length))
      }
    }),
  )
})
