import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  refuseMembers,
  retryStart,
  startingPoints,
} from '../../../runtime/consumer/starting-points.ts'
import type { CommittedOffset, OffsetCommit } from '../../../runtime/contract/broker.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { SILENT } from '../../support/silent-log.ts'

const AT = { topic: 'orders', partition: 0 }

function trigger(name: string, startFrom: 'latest' | 'earliest' = 'latest'): TriggerManifest {
  return { namespace: 'n', name, group: name, topic: 'orders', startFrom } as TriggerManifest
}

const OTHER = { topic: 'orders', partition: 1 }

interface FakeLog {
  commits: Array<[group: string, offsets: OffsetCommit[]]>
  broker: Parameters<typeof startingPoints>[0]
}

/** `committed`: group → offset of each partition. The log holds 10 to 50. */
function log(committed: Record<string, Array<number | undefined>>, refuse?: string): FakeLog {
  const commits: FakeLog['commits'] = []
  return {
    commits,
    broker: {
      topics: async (names) => (names ?? []).map((topic) => ({ topic, partitions: 2 })),
      ranges: async (partitions) => partitions.map((at) => ({ ...at, start: 10, end: 50 })),
      committed: async (group, partitions) =>
        partitions.map((at): CommittedOffset => {
          return { ...at, offset: committed[group]?.[at.partition], metadata: '' }
        }),
      commit: async (group, offsets) => {
        if (group === refuse) {
          throw new MillraceError('FN_BROKER_COMMIT_REFUSED', 'the group has members')
        }
        commits.push([group, [...offsets]])
      },
    },
  }
}

describe('startingPoints', () => {
  it('writes the start of a new group down for all partitions before anything is handled', async () => {
    const { broker, commits } = log({})
    const [late, early] = [trigger('late'), trigger('early', 'earliest')]
    const starts = await startingPoints(broker, [late, early], [AT], SILENT)
    assert.equal(starts(late, AT).from.offset, 50)
    assert.equal(starts(early, AT).from.offset, 10)
    const both = (offset: number): OffsetCommit[] =>
      [AT, OTHER].map((at) => ({ ...at, offset, metadata: '' }))
    assert.deepEqual(commits, [
      ['late', both(50)],
      ['early', both(10)],
    ])
  })

  it('goes on from what was committed', async () => {
    const { broker, commits } = log({ t: [20, 30] })
    const t = trigger('t', 'earliest')
    const starts = await startingPoints(broker, [t], [OTHER], SILENT)
    assert.deepEqual(starts(t, OTHER), { from: { offset: 30, metadata: '' } })
    assert.deepEqual(commits, [['t', [{ ...OTHER, offset: 30, metadata: '' }]]])
  })

  it('takes a partition that was added to the topic from its first record on', async () => {
    const { broker } = log({ t: [20, undefined] })
    const t = trigger('t', 'latest')
    const starts = await startingPoints(broker, [t], [AT, OTHER], SILENT)
    assert.equal(starts(t, OTHER).from.offset, 10)
  })

  it('lets no group that refuses hold up another trigger', async () => {
    const { broker } = log({}, 'knative')
    const [theirs, ours] = [trigger('knative'), trigger('ours')]
    const starts = await startingPoints(broker, [theirs, ours], [AT], SILENT)
    assert.match(starts(theirs, AT).trouble ?? '', /n\/knative cannot start: the group has members/)
    assert.equal(starts(theirs, AT).passing, true)
    assert.equal(starts(ours, AT).trouble, undefined)
  })

  for (const lost of [9, 51]) {
    it(`stops at offset ${lost}, which the log does not hold, and commits nothing`, async () => {
      const { broker, commits } = log({ t: [lost, 20] })
      const t = trigger('t')
      const starts = await startingPoints(broker, [t], [AT], SILENT)
      assert.match(starts(t, AT).trouble ?? '', /OffsetLost.*10 to 50/)
      assert.deepEqual(commits, [])
    })
  }
})

describe('an offset that is lost', () => {
  it('says where it was, what the log holds, and what to type', async () => {
    const { broker } = log({ t: [20, 9] })
    const t = trigger('t')
    const starts = await startingPoints(broker, [t], [OTHER], SILENT)
    const { trouble, passing } = starts(t, OTHER)
    assert.equal(
      trouble,
      'OffsetLost: trigger n/t had reached offset 9 of orders/1, but the log holds 10 to 50; ' +
        'decide where it goes on: fn resume n/t --partition 1 --from earliest, latest, or an offset',
    )
    assert.equal(passing, true)
  })
})

describe('retryStart', () => {
  it('begins at the start of what was sent to this trigger alone', async () => {
    const { broker, commits } = log({})
    const start = await retryStart(broker, trigger('t', 'latest'), AT)
    assert.deepEqual(start, { from: { offset: 10, metadata: '' } })
    assert.deepEqual(commits, [])
  })

  it('goes on from what was committed, and stops where that is lost', async () => {
    const { broker } = log({ t: [20, 51] })
    assert.deepEqual(await retryStart(broker, trigger('t'), AT), {
      from: { offset: 20, metadata: '' },
    })
    const lost = await retryStart(broker, trigger('t'), OTHER)
    assert.match(lost.trouble ?? '', /OffsetLost.*51 of orders\/1.*10 to 50.*--partition 1/)
  })
})

describe('refuseMembers', () => {
  it('throws while somebody is in the group', async () => {
    await refuseMembers({ hasMembers: async () => false }, 'g')
    await assert.rejects(
      refuseMembers({ hasMembers: async () => true }, 'g'),
      /group g has members/,
    )
  })
})
