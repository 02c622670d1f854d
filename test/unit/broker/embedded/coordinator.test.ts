import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Coordinator } from '../../../../runtime/broker/embedded/coordinator.ts'
import { partitionKey } from '../../../../runtime/contract/broker.ts'
import type { Membership, MembershipListener } from '../../../../runtime/contract/broker.ts'

interface Setting {
  coordinator: Coordinator
  topics: Map<string, number>
  warnings: string[]
}

function setting(generation = 1): Setting {
  const topics = new Map([['orders', 4]])
  const warnings: string[] = []
  const coordinator = new Coordinator({
    generation,
    partitionsOf: (topic) =>
      Array.from({ length: topics.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
    log: { warn: (_detail, message) => warnings.push(message) },
  })
  return { coordinator, topics, warnings }
}

function listening(parts: Partial<MembershipListener> = {}): MembershipListener {
  return { rebalancing: async () => {}, assigned() {}, lost() {}, failed() {}, ...parts }
}

function keysOf(membership: Membership): string[] {
  return membership.assignments().map(partitionKey)
}

test('Members that join together share at once, without a second move', async () => {
  const { coordinator } = setting()
  let moves = 0
  const listener = listening({ assigned: () => (moves += 1) })
  const members = await Promise.all(
    [0, 1].map(() => coordinator.join({ group: 'g', topics: ['orders'], listener })),
  )
  assert.deepEqual(
    members.map((member) => keysOf(member).length),
    [2, 2],
  )
  assert.equal(moves, 2)
})

test('Who loses nothing is not asked to get ready', async () => {
  const { coordinator } = setting()
  let asked = 0
  const listener = listening({ rebalancing: async () => void (asked += 1) })
  const options = { group: 'g', topics: ['orders'], listener }
  const first = await coordinator.join(options)
  const second = await coordinator.join({ ...options, listener: listening() })
  assert.equal(asked, 1)
  await second.leave()
  await coordinator.join({ group: 'g', topics: ['other'], listener: listening() })
  assert.deepEqual([asked, keysOf(first).length], [1, 4])
})

test('A member asks for other topics; those that stay keep their epoch, and nobody gets ready', async () => {
  const { coordinator, topics } = setting()
  topics.set('bills', 2)
  let asked = 0
  const listener = listening({ rebalancing: async () => void (asked += 1) })
  const member = await coordinator.join({ group: 'g', topics: ['orders'], listener })
  const epochs = new Map(member.assignments().map((one) => [partitionKey(one), one.epoch]))
  await member.subscribe(['orders', 'bills'])
  assert.equal(keysOf(member).length, 6)
  for (const one of member.assignments()) {
    if (one.topic === 'orders') assert.equal(one.epoch, epochs.get(partitionKey(one)))
  }
  assert.equal(asked, 0)
  await member.subscribe(['bills'])
  assert.deepEqual([keysOf(member).length, asked], [2, 1])
  coordinator.close()
  await member.subscribe(['orders'])
  assert.deepEqual(keysOf(member), [])
})

test('A member may wait for a topic that is made later', async () => {
  const { coordinator, topics } = setting()
  const { promise, resolve } = Promise.withResolvers<number>()
  const listener = listening({
    assigned: (assignments) => assignments.length > 0 && resolve(assignments.length),
  })
  const member = await coordinator.join({ group: 'g', topics: ['later'], listener })
  assert.deepEqual(keysOf(member), [])
  topics.set('later', 2)
  coordinator.topicAdded('later')
  assert.equal(await promise, 2)
  assert.deepEqual(keysOf(member), ['later/0', 'later/1'])
})

test('A listener that fails to get ready, or throws, is logged and holds nobody up', async () => {
  const { coordinator, warnings } = setting()
  const listener = listening({
    rebalancing: () => Promise.reject(new Error('cannot')),
    assigned() {
      throw new Error('no')
    },
  })
  await coordinator.join({ group: 'g', topics: ['orders'], listener })
  const second = await coordinator.join({ group: 'g', topics: ['orders'], listener: listening() })
  assert.equal(keysOf(second).length, 2)
  assert.deepEqual(warnings, [
    'a listener threw in assigned',
    'a member failed to get ready; its partitions move all the same',
    'a listener threw in assigned',
  ])
})

test('A member that leaves while it gets ready is not waited for', async () => {
  const { coordinator } = setting()
  const { promise: never } = Promise.withResolvers<void>()
  const listener = listening({
    rebalancing() {
      void first.leave()
      return never
    },
  })
  const first = await coordinator.join({ group: 'g', topics: ['orders'], listener })
  const second = await coordinator.join({ group: 'g', topics: ['orders'], listener: listening() })
  assert.deepEqual([keysOf(first).length, keysOf(second).length], [0, 4])
})

test('Closing ends every membership, those that were about to begin too', async () => {
  const { coordinator } = setting()
  const { promise: never } = Promise.withResolvers<void>()
  const options = { group: 'g', topics: ['orders'] }
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const listener = listening({
    rebalancing() {
      resolve()
      return never
    },
  })
  const first = await coordinator.join({ ...options, listener })
  const joining = coordinator.join({ ...options, listener: listening() })
  await asked
  coordinator.close()
  const second = await joining
  // The round that was held up runs to its end.
  await new Promise(setImmediate)
  assert.deepEqual([keysOf(first), keysOf(second)], [[], []])
  assert.equal(coordinator.hasMembers('g'), false)
})

test('Epochs of a later generation are all higher', async () => {
  const epochs: number[] = []
  for (const generation of [1, 2]) {
    const { coordinator } = setting(generation)
    const options = { group: 'g', topics: ['orders'], listener: listening() }
    const member = await coordinator.join(options)
    epochs.push(...member.assignments().map(({ epoch }) => epoch))
  }
  assert.deepEqual(
    epochs,
    [...new Set(epochs)].sort((a, b) => a - b),
  )
})

test('Who was asked to get ready is told how it ended, also when it keeps all that it had', async () => {
  const { coordinator, topics } = setting()
  topics.set('orders', 6)
  const history: string[] = []
  const drained = Promise.withResolvers<void>()
  const listener = listening({
    rebalancing: async () => {
      history.push('rebalancing')
      await drained.promise
    },
    assigned: (assignments) => history.push(`assigned ${assignments.length}`),
  })
  const group = { group: 'g', topics: ['orders'] }
  const [, other] = await Promise.all([
    coordinator.join({ ...group, listener }),
    coordinator.join({ ...group, listener: listening() }),
  ])
  const third = coordinator.join({ ...group, listener: listening() })
  await new Promise((resolve) => setImmediate(resolve))
  await other.leave()
  drained.resolve()
  await third
  assert.deepEqual(history, ['assigned 3', 'rebalancing', 'assigned 3'])
})
