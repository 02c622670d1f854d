import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { partitionKey, type TopicPartition } from '../../../../runtime/contract/broker.ts'
import { assignPartitions } from '../../../../runtime/broker/kafka/assignor.ts'
import type { Subscription } from '../../../../runtime/broker/kafka/group-protocol.ts'

const partitionsOf = (topic: string, count: number): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))

const members = (count: number): Map<string, Subscription> =>
  new Map(
    Array.from({ length: count }, (_, i) => [
      `member-${i}`,
      { topics: ['t'], owned: [], generation: -1 },
    ]),
  )

test('Every partition has one owner, and no member has two more than another', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(40), (memberCount, count) => {
      const all = partitionsOf('t', count)
      const result = assignPartitions(members(memberCount), all)
      const owned = [...result.values()].flat().map(partitionKey)
      assert.deepEqual(owned.toSorted(), all.map(partitionKey).toSorted())
      const counts = [...result.values()].map((each) => each.length)
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
    }),
  )
})

test('As few partitions move as balance needs when members come and go', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(30),
      (before, after, count) => {
        const all = partitionsOf('t', count)
        const first = assignPartitions(members(before), all)
        const next = members(after)
        for (const [id, subscription] of next) {
          subscription.owned = first.get(id) ?? []
          subscription.generation = 1
        }
        const second = assignPartitions(next, all)
        // A member that stays keeps the smaller of what it had and its new share.
        const fair = Math.floor(count / after)
        for (const [id, owned] of first) {
          const now = second.get(id)
          if (now === undefined) continue
          const kept = owned.filter((at) => now.some((each) => each.partition === at.partition))
          assert.ok(kept.length >= Math.min(owned.length, fair), `${id} kept ${kept.length}`)
        }
      },
    ),
  )
})

test('Of two that claim a partition the later generation is believed', () => {
  const claims = members(2)
  const [at] = partitionsOf('t', 1) as [TopicPartition]
  claims.set('member-0', { topics: ['t'], owned: [at], generation: 4 })
  claims.set('member-1', { topics: ['t'], owned: [at], generation: 5 })
  assert.deepEqual(assignPartitions(claims, [at]).get('member-1'), [at])
})

test('Nobody gets a partition of a topic that it did not ask for', () => {
  const group = members(1)
  group.set('other', { topics: ['u'], owned: partitionsOf('t', 1), generation: 1 })
  const result = assignPartitions(group, [...partitionsOf('t', 3), ...partitionsOf('u', 1)])
  assert.deepEqual(result.get('other'), partitionsOf('u', 1))
  assert.equal(result.get('member-0')?.length, 3)
})
