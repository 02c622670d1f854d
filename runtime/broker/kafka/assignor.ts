/** Who owns which partition: as even as it can be, and what stays stays. */
import { partitionKey } from '../../contract/broker.ts'
import type { TopicPartition } from '../../contract/broker.ts'
import type { Subscription } from './group-protocol.ts'

/**
 * Assigns every partition to one member that wants its topic. A member keeps what it owned as long as
 * nobody else has two less; of two that claim one partition, the later generation is believed.
 */
export function assignPartitions(
  members: ReadonlyMap<string, Subscription>,
  partitions: readonly TopicPartition[],
): Map<string, TopicPartition[]> {
  // Sorted, so that the outcome does not depend on who joined first.
  const ids = [...members.keys()].toSorted()
  const result = new Map<string, TopicPartition[]>(ids.map((id) => [id, []]))
  const wanting = (topic: string): string[] =>
    ids.filter((id) => members.get(id)?.topics.includes(topic))
  const free: TopicPartition[] = []
  const owners = currentOwners(members)
  for (const at of partitions) {
    const owner = owners.get(partitionKey(at))
    if (owner !== undefined && members.get(owner)?.topics.includes(at.topic)) {
      result.get(owner)?.push(at)
    } else {
      free.push(at)
    }
  }
  for (const at of free) {
    const taker = least(wanting(at.topic), result)
    if (taker !== undefined) result.get(taker)?.push(at)
  }
  balance(result, wanting)
  return result
}

function currentOwners(members: ReadonlyMap<string, Subscription>): Map<string, string> {
  const owners = new Map<string, { id: string; generation: number }>()
  for (const [id, { owned, generation }] of members) {
    for (const at of owned) {
      const known = owners.get(partitionKey(at))
      if (known === undefined || known.generation < generation) {
        owners.set(partitionKey(at), { id, generation })
      }
    }
  }
  return new Map([...owners].map(([key, { id }]) => [key, id]))
}

/** Moves partitions from those with most until nobody who wants one has two less. */
function balance(
  result: Map<string, TopicPartition[]>,
  wanting: (topic: string) => string[],
): void {
  for (let moved = true; moved;) {
    moved = false
    const byCount = [...result].toSorted(([, a], [, b]) => b.length - a.length)
    for (const [, owned] of byCount) {
      const index = owned.findLastIndex(({ topic }) => {
        const taker = least(wanting(topic), result)
        return taker !== undefined && (result.get(taker)?.length ?? 0) + 1 < owned.length
      })
      const [at] = index < 0 ? [] : owned.splice(index, 1)
      if (at === undefined) continue
      result.get(least(wanting(at.topic), result) as string)?.push(at)
      moved = true
      break
    }
  }
}

function least(ids: string[], result: Map<string, TopicPartition[]>): string | undefined {
  let best: string | undefined
  for (const id of ids) {
    const count = result.get(id)?.length ?? 0
    if (best === undefined || count < (result.get(best)?.length ?? 0)) best = id
  }
  return best
}
