/** Who owns which partition: every partition once, evenly, and with as few moves as that allows. */

export interface Candidate<Partition> {
  /** What the member may own. */
  wants(partition: Partition): boolean
  /** What it owns now. */
  owns(partition: Partition): boolean
}

/**
 * The partitions of each candidate. A partition that nobody wants belongs to nobody. Two candidates
 * that want the same partitions end at most one apart.
 */
export function assignSticky<Partition, Member extends Candidate<Partition>>(
  partitions: readonly Partition[],
  members: readonly Member[],
): Map<Member, Partition[]> {
  const shares = new Map<Member, Partition[]>(members.map((member) => [member, []]))
  const orphans: Partition[] = []
  for (const partition of partitions) {
    const owner = members.find((member) => member.owns(partition) && member.wants(partition))
    if (owner) shares.get(owner)?.push(partition)
    else orphans.push(partition)
  }
  for (const partition of orphans) leastLoaded(shares, partition)?.push(partition)
  while (moveOne(shares)) {
    // Each move brings two shares closer together, so this ends.
  }
  return shares
}

function leastLoaded<Partition, Member extends Candidate<Partition>>(
  shares: Map<Member, Partition[]>,
  partition: Partition,
): Partition[] | undefined {
  let least: Partition[] | undefined
  for (const [member, share] of shares) {
    if (member.wants(partition) && (!least || share.length < least.length)) least = share
  }
  return least
}

/** Moves one partition to a candidate that has at least two less. */
function moveOne<Partition, Member extends Candidate<Partition>>(
  shares: Map<Member, Partition[]>,
): boolean {
  const byLoad = [...shares.values()].sort((a, b) => b.length - a.length)
  for (const share of byLoad) {
    for (let i = share.length - 1; i >= 0; i--) {
      const partition = share[i] as Partition
      const target = leastLoaded(shares, partition)
      if (target && share.length - target.length >= 2) {
        share.splice(i, 1)
        target.push(partition)
        return true
      }
    }
  }
  return false
}
