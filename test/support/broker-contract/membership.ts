import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { appendAll, partitionKey } from '../../../runtime/contract/broker.ts'
import type { Broker, TopicPartition } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { eventually } from '../eventually.ts'
import { epochsOf, joinRecorded, shared } from './recording-listener.ts'
import type { JoinRecorded, Recorded, RecordedMember } from './recording-listener.ts'

interface Setting {
  broker: Broker
  topic: string
  group: string
  history: Recorded[]
  reopen: () => Promise<Broker>
  join: (name: string, options?: Partial<JoinRecorded>) => Promise<RecordedMember>
}

export function membershipContract(open: OpenBroker): void {
  async function setting(t: TestContext, partitions = 4): Promise<Setting> {
    const { broker, reopen } = await opened(t, open)
    const topic = await madeTopic(broker, partitions)
    const group = uniqueName('members')
    const history: Recorded[] = []
    const join = (name: string, options: Partial<JoinRecorded> = {}): Promise<RecordedMember> =>
      joinRecorded(broker, { name, group, topics: [topic], history, ...options })
    return { broker, topic, group, history, reopen, join }
  }

  test('A member alone owns every partition and hears of it', async (t) => {
    const { topic, history, join } = await setting(t)
    const alone = await join('alone')
    await shared([alone], [4])
    const keys = [0, 1, 2, 3].map((partition) => `${topic}/${partition}`)
    assert.deepEqual([...epochsOf(alone).keys()].sort(), keys)
    assert.deepEqual(history.at(-1), { member: 'alone', what: 'assigned', partitions: keys })
    assert.ok(alone.membership.memberId.length > 0)
  })

  test('Members share the partitions whole and disjoint, and a leaver gives back', async (t) => {
    const { join } = await setting(t, 6)
    const members = [await join('a')]
    await shared(members, [6])
    members.push(await join('b'))
    await shared(members, [3, 3])
    members.push(await join('c'))
    await shared(members, [2, 2, 2])
    const [left, ...rest] = members as [RecordedMember, ...RecordedMember[]]
    await left.membership.leave()
    await left.membership.leave()
    assert.deepEqual(left.membership.assignments(), [])
    await shared(rest, [3, 3])
  })

  test('A member asks for other topics, and what stays keeps its epoch', async (t) => {
    const { broker, topic, history, join } = await setting(t)
    const other = await madeTopic(broker, 2)
    const a = await join('a')
    await shared([a], [4])
    const before = epochsOf(a)
    await a.membership.subscribe([topic, other])
    assert.equal(epochsOf(a).size, 6)
    for (const [key, epoch] of before) assert.equal(epochsOf(a).get(key), epoch, `${key} stayed`)
    assert.equal(history.at(-1)?.partitions.length, 6)
    await a.membership.subscribe([other])
    assert.deepEqual([...epochsOf(a).keys()].sort(), [`${other}/0`, `${other}/1`])
  })

  test('Members that ask for different topics share what both ask for', async (t) => {
    const { broker, topic, join } = await setting(t)
    const other = await madeTopic(broker, 2)
    const members = [await join('a'), await join('b')]
    await shared(members, [2, 2])
    await members[1]?.membership.subscribe([topic, other])
    await shared(members, [3, 3])
    await members[0]?.membership.subscribe([topic, other])
    await shared(members, [3, 3])
  })

  test('More members than partitions leave some without any', async (t) => {
    const { join } = await setting(t, 1)
    const members = [await join('a'), await join('b')]
    await shared(members, [0, 1])
  })

  test('What stays keeps its epoch; what moves gets a new one, also when it comes back', async (t) => {
    const { join } = await setting(t)
    const a = await join('a')
    await shared([a], [4])
    const alone = epochsOf(a)
    const b = await join('b')
    await shared([a, b], [2, 2])
    const [kept, moved] = [epochsOf(a), epochsOf(b)]
    for (const [key, epoch] of kept) assert.equal(epoch, alone.get(key), `${key} stayed`)
    for (const [key, epoch] of moved) assert.notEqual(epoch, alone.get(key), `${key} moved`)
    await b.membership.leave()
    await shared([a], [4])
    for (const [key, epoch] of epochsOf(a)) {
      if (kept.has(key)) assert.equal(epoch, kept.get(key), `${key} stayed`)
      else assert.ok(![alone.get(key), moved.get(key)].includes(epoch), `${key} came back`)
    }
  })

  test('Nobody gets a partition before its owner is ready, whose commits still count', async (t) => {
    const { broker, topic, group, history, join } = await setting(t)
    const progress = uniqueName('progress')
    const waitingPlace = { topic: await madeTopic(broker, 1), partition: 0 }
    const a: RecordedMember = await join('a', {
      async whenRebalancing() {
        const owned = a.membership.assignments()
        assert.equal(owned.length, 4)
        // Time for a driver that does not wait to give the partitions away.
        await broker.read(waitingPlace, 0, { waitMs: 500 })
        const offsets = owned.map(({ topic: name, partition }) => ({
          topic: name,
          partition,
          offset: partition + 1,
        }))
        await broker.commit(progress, offsets, {
          fence: { membership: a.membership, epochs: epochsOf(a) },
        })
      },
    })
    await shared([a], [4])
    const b = await join('b')
    await shared([a, b], [2, 2])
    const ready = history.findIndex(({ member, what }) => member === 'a' && what === 'ready')
    const given = history.findIndex(
      ({ member, partitions }) => member === 'b' && partitions.length > 0,
    )
    assert.ok(ready >= 0 && given > ready, JSON.stringify({ group, history }))
    const committed = await broker.committed(progress, placesOf(topic, 4))
    assert.deepEqual(
      committed.map(({ offset }) => offset),
      [1, 2, 3, 4],
    )
  })

  test('A member that is never ready holds the group up until its deadline only', async (t) => {
    const { join } = await setting(t)
    let hang = true
    const released: Array<() => void> = []
    t.after(() => released.forEach((release) => release()))
    const a = await join('a', {
      rebalanceTimeoutMs: 1_000,
      whenRebalancing: () =>
        hang ? new Promise((resolve) => released.push(resolve)) : Promise.resolve(),
    })
    await shared([a], [4])
    const b = await join('b', { rebalanceTimeoutMs: 1_000 })
    // Whether the late one stays with a part or is put out is the driver's affair.
    await eventually(() => epochsOf(b).size >= 2, 'the partitions of the late member')
    hang = false
  })

  test('A group has members as long as somebody is in it', async (t) => {
    const { broker, group, join } = await setting(t)
    assert.equal(await broker.hasMembers(group), false)
    const { membership } = await join('a')
    assert.equal(await broker.hasMembers(group), true)
    await membership.leave()
    await eventually(async () => !(await broker.hasMembers(group)), 'nobody is left')
  })

  test('A fenced commit counts for the owner alone', async (t) => {
    const { broker, topic, join } = await setting(t)
    const progress = uniqueName('progress')
    await appendAll(
      broker,
      placesOf(topic, 4).flatMap((at) => numbered(at, 3)),
    )
    const a = await join('a')
    await shared([a], [4])
    const former = epochsOf(a)
    const fenced = (member: RecordedMember, epochs: ReadonlyMap<string, number>, key: string) =>
      broker.commit(progress, [{ ...placeOf(key), offset: 1 }], {
        fence: { membership: member.membership, epochs: onlyOf(epochs, key) },
      })
    for (const key of former.keys()) await fenced(a, former, key)
    const b = await join('b')
    await shared([a, b], [2, 2])
    const current = epochsOf(b)
    for (const key of current.keys()) {
      await assert.rejects(fenced(a, former, key), isStale, `the former owner of ${key}`)
      await assert.rejects(fenced(b, former, key), isStale, `a former epoch of ${key}`)
      await assert.rejects(fenced(b, new Map(), key), isStale, `no epoch of ${key}`)
      await fenced(b, current, key)
    }
    for (const key of epochsOf(a).keys()) await fenced(a, former, key)
    const [movedKey] = current.keys()
    const [keptKey] = epochsOf(a).keys()
    const together = [movedKey, keptKey].map((key) => ({ ...placeOf(key as string), offset: 3 }))
    await assert.rejects(
      broker.commit(progress, together, { fence: { membership: a.membership, epochs: former } }),
      isStale,
      'one stale partition refuses the whole commit',
    )
    const committed = await broker.committed(progress, placesOf(topic, 4))
    assert.deepEqual(
      committed.map(({ offset }) => offset),
      [1, 1, 1, 1],
    )
    await a.membership.leave()
    await assert.rejects(fenced(a, former, keptKey as string), isStale, 'a member that left')
  })

  test('Epochs are new after a restart', async (t) => {
    const { topic, group, join, reopen } = await setting(t)
    const a = await join('a')
    await shared([a], [4])
    const former = epochsOf(a)
    const again = await reopen()
    const b = await joinRecorded(again, { name: 'b', group, topics: [topic], history: [] })
    await shared([b], [4])
    for (const [key, epoch] of epochsOf(b)) {
      assert.notEqual(epoch, former.get(key), key)
    }
  })
}

function isStale(error: unknown): boolean {
  return isMillraceError(error, 'FN_BROKER_STALE_EPOCH')
}

function placesOf(topic: string, partitions: number): TopicPartition[] {
  return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
}

/** The reverse of `partitionKey`. */
function placeOf(key: string): TopicPartition {
  const slash = key.lastIndexOf('/')
  const place = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) }
  assert.equal(partitionKey(place), key)
  return place
}

function onlyOf(epochs: ReadonlyMap<string, number>, key: string): Map<string, number> {
  return new Map([...epochs].filter(([other]) => other === key))
}
