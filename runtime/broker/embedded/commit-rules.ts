/** Who may commit what, for plain commits and those of transactions. */
import { partitionKey } from '../../contract/broker.ts'
import type { CommitOptions, GroupCommit, TopicPartition } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import { Member, type Coordinator } from './coordinator.ts'
import type { CommitRow } from './messages.ts'
import type { TopicTable } from './topic-table.ts'

const MAX_METADATA_BYTES = 4_000

export class CommitRules {
  readonly #topics: TopicTable
  readonly #groups: Coordinator

  constructor(topics: TopicTable, groups: Coordinator) {
    this.#topics = topics
    this.#groups = groups
  }

  /** Throws `FN_BROKER_UNKNOWN_TOPIC`, and `FN_BROKER_COMMIT_REFUSED` where metadata are too long. */
  rowsOf({ group, offsets }: GroupCommit): CommitRow[] {
    return offsets.map(({ topic, partition, offset, metadata = '' }) => {
      const { id } = this.#topics.at({ topic, partition })
      assertMetadataFits(metadata, { topic, partition })
      return { group, partitionId: id, offset, metadata }
    })
  }

  /** As things are now. */
  assertAllowed({ group, offsets }: GroupCommit, options: CommitOptions): void {
    const membership = options.fence?.membership
    const isOwnGroup = membership instanceof Member && membership.options.group === group
    if (!isOwnGroup && this.#groups.hasMembers(group)) {
      throw new MillraceError(
        'FN_BROKER_COMMIT_REFUSED',
        `Group ${group} has members, so nobody else may commit for it. Stop its members first`,
        { detail: { group } },
      )
    }
    if (options.fence) assertFence(offsets, options.fence)
  }
}

type Fence = NonNullable<CommitOptions['fence']>

function assertMetadataFits(metadata: string, at: TopicPartition): void {
  const bytes = Buffer.byteLength(metadata)
  if (bytes <= MAX_METADATA_BYTES) return
  throw new MillraceError(
    'FN_BROKER_COMMIT_REFUSED',
    `The metadata of a commit for ${partitionKey(at)} has ${bytes} bytes; at most ${MAX_METADATA_BYTES} fit`,
  )
}

function assertFence(offsets: readonly TopicPartition[], fence: Fence): void {
  const { membership, epochs } = fence
  const member = membership instanceof Member && membership.isAlive ? membership : undefined
  const needed = new Set(epochs.keys())
  for (const at of offsets) if (member?.wants(at)) needed.add(partitionKey(at))
  if (member === undefined) {
    throw new MillraceError(
      'FN_BROKER_STALE_EPOCH',
      'The membership behind this commit has ended. Discard these results; the owner handles the records again',
    )
  }
  for (const key of needed) {
    const owned = member.epochOf(key)
    const given = epochs.get(key)
    if (given !== undefined && owned === given) continue
    throw new MillraceError(
      'FN_BROKER_STALE_EPOCH',
      `${key} is no longer owned with epoch ${given}: ${owned === undefined ? 'it has moved' : `the epoch is ${owned}`}. Discard these results; the owner handles the records again`,
      { detail: { partition: key, epoch: given, owned } },
    )
  }
}
