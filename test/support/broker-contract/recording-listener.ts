import assert from 'node:assert/strict'
import type { Assignment, Broker, MembershipListener } from '../../../runtime/contract/broker.ts'
import { partitionKey } from '../../../runtime/contract/broker.ts'
import type { Membership } from '../../../runtime/contract/broker.ts'
import { eventually } from '../eventually.ts'

export interface Recorded {
  member: string
  what: 'rebalancing' | 'ready' | 'assigned' | 'lost' | 'failed'
  /** The keys of the partitions, sorted. */
  partitions: string[]
}

/** A member whose listener writes down what it hears, in one list with the others of its test. */
export interface RecordedMember {
  name: string
  membership: Membership
}

export interface JoinRecorded {
  name: string
  group: string
  topics: readonly string[]
  history: Recorded[]
  /** What the member does while the group waits for it. */
  whenRebalancing?: () => Promise<void>
  rebalanceTimeoutMs?: number
}

export async function joinRecorded(broker: Broker, options: JoinRecorded): Promise<RecordedMember> {
  const { name, group, topics, history, whenRebalancing, rebalanceTimeoutMs } = options
  const record = (what: Recorded['what'], assignments: readonly Assignment[] = []): void => {
    history.push({ member: name, what, partitions: assignments.map(partitionKey).sort() })
  }
  const listener: MembershipListener = {
    async rebalancing() {
      record('rebalancing')
      await whenRebalancing?.()
      record('ready')
    },
    assigned: (assignments) => record('assigned', assignments),
    lost: (assignments) => record('lost', assignments),
    failed: () => record('failed'),
  }
  const timeouts = rebalanceTimeoutMs === undefined ? {} : { rebalanceTimeoutMs }
  const membership = await broker.join({ group, topics, listener, ...timeouts })
  return { name, membership }
}

/** The epochs of what a member owns, by partition key. */
export function epochsOf({ membership }: RecordedMember): Map<string, number> {
  return new Map(membership.assignments().map((one) => [partitionKey(one), one.epoch]))
}

/** Waits until the members own all partitions between them, each one once, `counts` of them each. */
export async function shared(
  members: readonly RecordedMember[],
  counts: readonly number[],
): Promise<void> {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const wanted = ascending(counts)
  await eventually(() => {
    const owned = members.map((member) => [...epochsOf(member).keys()])
    assert.equal(ascending(owned.map((keys) => keys.length)), wanted)
    return new Set(owned.flat()).size === total
  }, `the members share ${wanted}`)
}

function ascending(counts: readonly number[]): string {
  return counts.toSorted((a, b) => a - b).join()
}
