/** Who may still write: former owners of a transactional id, former members, and who decided on old state. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendAll } from '../../../runtime/contract/broker.ts'
import type { Transaction, TopicPartition } from '../../../runtime/contract/broker.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { madeTopic, numbered, opened, recordOf, uniqueName } from './opening.ts'
import type { OpenBroker } from './opening.ts'
import { epochsOf, joinRecorded, shared } from './recording-listener.ts'
import type { RecordedMember } from './recording-listener.ts'
import { rejects, shows, stableOffset } from './transaction-checks.ts'

export function fencingContract(open: OpenBroker): void {
  fenceContract(open)
  drainContract(open)
  expectContract(open)
}

function fenceContract(open: OpenBroker): void {
  test('Who opens a transactional id fences its former owner', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const [group, id] = [uniqueName('group'), uniqueName('id')]
    const old = await broker.transactor({ id })
    await old.transact({ records: numbered(at, 1) })
    const other = await broker.transactor({ id: uniqueName('id') })
    const owner = await broker.transactor({ id })
    const late = {
      records: numbered(at, 1, 1),
      commits: [{ group, offsets: [{ ...at, offset: 1 }] }],
    }

    await rejects(old.transact(late), 'FN_BROKER_FENCED')
    await rejects(old.transact(late), 'FN_BROKER_FENCED')
    await owner.transact({ records: numbered(at, 1, 2) })
    await rejects(old.transact({ records: [], commits: late.commits }), 'FN_BROKER_FENCED')
    await other.transact({ records: numbered(at, 1, 3) })
    await old.close()
    await owner.transact({ records: numbered(at, 1, 4) })

    await shows(broker, at, ['0', '2', '3', '4'])
    assert.equal(await stableOffset(broker, group, at), undefined)
  })

  test('What a former owner has asked for is whole or not there, once a new one is open', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const group = uniqueName('group')
    const id = uniqueName('id')
    const old = await broker.transactor({ id })
    const asked = Array.from({ length: 10 }, (_, i) =>
      old.transact({
        records: [0, 1].map((partitionBy) => recordOf(topic, { value: String(i), partitionBy })),
        commits: [{ group, offsets: [{ topic, partition: 0, offset: i + 1 }] }],
      }),
    )
    const outcomes = Promise.allSettled(asked)
    await asked[0]
    const owner = await broker.transactor({ id })
    const done = (await stableOffset(broker, group, { topic, partition: 0 })) ?? 0
    await owner.transact({
      records: [0, 1].map((partitionBy) => recordOf(topic, { value: 'owner', partitionBy })),
    })

    const expected = [...Array.from({ length: done }, (_, i) => String(i)), 'owner']
    await shows(broker, { topic, partition: 0 }, expected)
    await shows(broker, { topic, partition: 1 }, expected)
    for (const [i, outcome] of (await outcomes).entries()) {
      // The answer of the last one may have been lost to the new owner.
      if (outcome.status === 'fulfilled') assert.ok(i < done)
      else assert.ok(isMillraceError(outcome.reason, 'FN_BROKER_FENCED'), String(outcome.reason))
    }
  })

  test('A transaction is fenced by a membership, also in the membership’s own group', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const at = { topic, partition: 1 }
    const [group, progress] = [uniqueName('group'), uniqueName('progress')]
    const member = await joinRecorded(broker, { name: 'a', group, topics: [topic], history: [] })
    const epochs = epochsOf(member)
    const { membership } = member
    const fenced = (i: number, given: ReadonlyMap<string, number>): Transaction => ({
      records: numbered(at, 1, i),
      commits: [
        { group, offsets: [{ ...at, offset: i }] },
        { group: progress, offsets: [{ ...at, offset: i }] },
      ],
      fence: { membership, epochs: given },
    })
    const id = uniqueName('id')
    const transactor = await broker.transactor({ id })
    await transactor.transact(fenced(5, epochs))
    const old = new Map([...epochs].map(([key, epoch]) => [key, epoch - 1]))
    await rejects(transactor.transact(fenced(6, old)), 'FN_BROKER_STALE_EPOCH')

    const second = await broker.transactor({ id })
    await membership.leave()
    await rejects(second.transact(fenced(7, epochs)), 'FN_BROKER_STALE_EPOCH')
    const third = await broker.transactor({ id })
    const records = numbered(at, 1, 8)
    await rejects(
      third.transact({ records, fence: { membership, epochs } }),
      'FN_BROKER_STALE_EPOCH',
    )
    await shows(broker, at, ['5'])
    assert.equal(await stableOffset(broker, group, at), 5)
    assert.equal(await stableOffset(broker, progress, at), 5)
  })
}

function drainContract(open: OpenBroker): void {
  test('A transaction of a member that gets ready for a rebalance still counts', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const [group, progress] = [uniqueName('group'), uniqueName('progress')]
    const partitions = [0, 1].map((partition) => ({ topic, partition }))
    const transactor = await broker.transactor({ id: uniqueName('id') })
    const join = { group, topics: [topic], history: [] }
    const first: RecordedMember = await joinRecorded(broker, {
      ...join,
      name: 'first',
      async whenRebalancing() {
        const offsets = partitions.map((at) => ({ ...at, offset: 3 }))
        await transactor.transact({
          records: [recordOf(topic, { value: 'drained' })],
          commits: [group, progress].map((each) => ({ group: each, offsets })),
          fence: { membership: first.membership, epochs: epochsOf(first) },
        })
      },
    })
    assert.equal(epochsOf(first).size, 2)
    const second = await joinRecorded(broker, { ...join, name: 'second' })

    await shared([first, second], [1, 1])
    await shows(broker, { topic, partition: 0 }, ['drained'])
    for (const each of [group, progress]) {
      for (const at of partitions) assert.equal(await stableOffset(broker, each, at), 3)
    }
  })
}

function expectContract(open: OpenBroker): void {
  test('A transaction that expects another end writes nothing and may be tried again', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 2)
    const [at, beside] = [0, 1].map((partition) => ({ topic, partition })) as [
      TopicPartition,
      TopicPartition,
    ]
    const group = uniqueName('group')
    await appendAll(broker, numbered(at, 3))
    const a = await broker.transactor({ id: uniqueName('id') })
    const b = await broker.transactor({ id: uniqueName('id') })
    const seen = await broker.ranges([at, beside])
    const decided = (value: string): Transaction => ({
      records: [recordOf(topic, { value })],
      commits: [{ group, offsets: [{ ...at, offset: 1, metadata: value }] }],
      expect: seen,
    })

    await a.transact(decided('a'))
    await rejects(b.transact(decided('b')), 'FN_BROKER_CONFLICT')
    await rejects(a.transact(decided('a again')), 'FN_BROKER_CONFLICT')
    const [first] = await broker.committed(group, [at], { stable: true })
    assert.equal(first?.metadata, 'a')

    await shows(broker, at, ['0', '1', '2', 'a'])
    const [now] = await broker.ranges([at])
    assert.ok(now)
    await b.transact({ records: [recordOf(topic, { value: 'b' })], expect: [now] })
    await shows(broker, at, ['0', '1', '2', 'a', 'b'])
  })

  test('Of writers that expect the same end at one time, one writes', async (t) => {
    const { broker } = await opened(t, open)
    const topic = await madeTopic(broker, 1)
    const at = { topic, partition: 0 }
    const transactor = await broker.transactor({ id: uniqueName('id') })
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c'].map((value) =>
        transactor.transact({
          records: [recordOf(topic, { value })],
          expect: [{ ...at, end: 0 }],
        }),
      ),
    )
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    )
    await shows(broker, at, ['a'])
  })
}
