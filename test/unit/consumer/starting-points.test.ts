import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startingPoints } from '../../../runtime/consumer/starting-points.ts'
import type { CommittedOffset, OffsetCommit } from '../../../runtime/contract/broker.ts'
import type { Logger } from '../../../runtime/contract/log.ts'
import type { TriggerManifest } from '../../../runtime/contract/manifest.ts'

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT }
const AT = { topic: 'orders', partition: 0 }

function trigger(name: string, startFrom: 'latest' | 'earliest' = 'latest'): TriggerManifest {
  return { namespace: 'n', name, group: name, topic: 'orders', startFrom } as TriggerManifest
}

function log(
  committed: Record<string, number>,
  metadata = '',
): {
  commits: Array<[group: string, OffsetCommit[]]>
  broker: Parameters<typeof startingPoints>[0]
} {
  const commits: Array<[string, OffsetCommit[]]> = []
  return {
    commits,
    broker: {
      ranges: async (partitions) => partitions.map((at) => ({ ...at, start: 10, end: 50 })),
      committed: async (group, partitions) =>
        partitions.map((at): CommittedOffset => ({ ...at, offset: committed[group], metadata })),
      commit: async (group, offsets) => {
        commits.push([group, [...offsets]])
      },
    },
  }
}

describe('startingPoints', () => {
  it('starts a new trigger where startFrom says, and writes that down first', async () => {
    const { broker, commits } = log({})
    const [late, early] = [trigger('late'), trigger('early', 'earliest')]
    const starts = await startingPoints(broker, [late, early], [AT], SILENT)
    assert.equal(starts(late, AT).from.offset, 50)
    assert.equal(starts(early, AT).from.offset, 10)
    assert.deepEqual(commits, [
      ['late', [{ ...AT, offset: 50, metadata: '' }]],
      ['early', [{ ...AT, offset: 10, metadata: '' }]],
    ])
  })

  it('goes on from what was committed, metadata included', async () => {
    const { broker } = log({ t: 20 }, 'm1:0,1,')
    const t = trigger('t', 'earliest')
    const starts = await startingPoints(broker, [t], [AT], SILENT)
    assert.deepEqual(starts(t, AT), { from: { offset: 20, metadata: 'm1:0,1,' } })
  })

  for (const lost of [9, 51]) {
    it(`stops at offset ${lost}, which the log does not hold, and commits nothing`, async () => {
      const { broker, commits } = log({ t: lost })
      const t = trigger('t')
      const starts = await startingPoints(broker, [t], [AT], SILENT)
      assert.match(starts(t, AT).trouble ?? '', /OffsetLost.*10 to 50/)
      assert.deepEqual(commits, [])
    })
  }
})
