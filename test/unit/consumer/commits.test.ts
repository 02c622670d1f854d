import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { commitProgress, hasMoved } from '../../../runtime/consumer/commits.ts'
import type { Assignment, CommitOptions, Membership } from '../../../runtime/contract/broker.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { SILENT } from '../../support/silent-log.ts'
import { recordAt, take, testCursor, type TestCursor } from '../../support/test-cursor.ts'

const MEMBERSHIP = {} as Membership

interface Commit {
  group: string
  offsets: unknown
  epochs: ReadonlyMap<string, number> | undefined
}

async function commit(
  cursors: ReadonlyArray<readonly [TestCursor, Assignment]>,
  refuse: (group: string) => Error | undefined = () => undefined,
): Promise<Commit[]> {
  const commits: Commit[] = []
  await commitProgress({
    broker: {
      commit: async (group, offsets, { fence }: CommitOptions = {}) => {
        assert.equal(fence?.membership, MEMBERSHIP)
        commits.push({ group, offsets, epochs: fence?.epochs })
        const error = refuse(group)
        if (error !== undefined) throw error
      },
    },
    cursors: cursors.map(([{ cursor }, owned]) => [cursor, owned] as const),
    membership: MEMBERSHIP,
    log: SILENT,
  })
  return commits
}

function owned(partition: number, epoch: number): Assignment {
  return { topic: 'orders', partition, epoch }
}

function moved(name: string, partition = 0, topic = 'orders'): TestCursor {
  const one = testCursor(name, { partition, topic })
  take(one, recordAt(0), 'e0')
  one.settle(recordAt(0))
  return one
}

describe('commitProgress', () => {
  it('commits what moved, fenced by the partitions that it follows from and no others', async () => {
    const [a0, a1, retry] = [moved('a', 0), moved('a', 1), moved('a', 1, 'a.retry')]
    const still = testCursor('a', { partition: 2 })
    const commits = await commit([
      [a0, owned(0, 7)],
      [a1, owned(1, 8)],
      [retry, owned(1, 8)], // belongs to whoever owns the partition of the same number
      [still, owned(2, 9)],
    ])
    assert.deepEqual(commits, [
      {
        group: 'knative-trigger-events-a',
        offsets: [
          { topic: 'orders', partition: 0, offset: 1, metadata: '' },
          { topic: 'orders', partition: 1, offset: 1, metadata: '' },
          { topic: 'a.retry', partition: 1, offset: 1, metadata: '' },
        ],
        epochs: new Map([
          ['orders/0', 7],
          ['orders/1', 8],
        ]),
      },
    ])
    assert.equal(hasMoved(a0.cursor), false)
    assert.deepEqual(await commit([[a0, owned(0, 7)]]), [])
  })

  it('commits each group for itself, so that one that refuses holds up no other', async () => {
    const [a, b] = [moved('a'), moved('b')]
    const refuse = (group: string): Error | undefined => {
      if (group.endsWith('-a')) return new MillraceError('FN_BROKER_COMMIT_REFUSED', 'members')
      return undefined
    }
    const cursors = [
      [a, owned(0, 7)],
      [b, owned(0, 7)],
    ] as const
    await commit(cursors, refuse)
    assert.equal(a.cursor.commitTrouble, 'members')
    assert.equal(b.cursor.commitTrouble, undefined)
    assert.deepEqual([a.cursor.committed.offset, b.cursor.committed.offset], [0, 1])
    const again = await commit(cursors)
    assert.deepEqual(
      again.map(({ group }) => group),
      ['knative-trigger-events-a'],
    )
    assert.equal(a.cursor.commitTrouble, undefined)
  })

  it('takes a stale epoch for no trouble: the progress is another process’s', async () => {
    const a = moved('a')
    await commit([[a, owned(0, 7)]], () => new MillraceError('FN_BROKER_STALE_EPOCH', 'lost'))
    assert.equal(a.cursor.commitTrouble, undefined)
    assert.equal(hasMoved(a.cursor), true)
  })

  it('never moves the place of a trigger in trouble', async () => {
    const a = moved('a')
    a.cursor.trouble = 'OffsetLost'
    assert.deepEqual(await commit([[a, owned(0, 7)]]), [])
  })

  it('commits a place again after an hour, before the log forgets it', async () => {
    const a = testCursor('a')
    a.cursor.committedAt = Date.now() - 60 * 60 * 1000
    assert.equal((await commit([[a, owned(0, 7)]])).length, 1)
    assert.equal(hasMoved(a.cursor), false)
  })
})
