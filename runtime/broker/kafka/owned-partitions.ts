import { partitionKey } from '../../contract/broker.ts'
import type { Assignment, TopicPartition } from '../../contract/broker.ts'

/** What a member owns, with the epoch of each gain. */
export class OwnedPartitions {
  #owned = new Map<string, Assignment>()
  /** The generation of the last assignment; -1 for none. */
  #generation = -1
  #lastEpoch = 0

  get generation(): number {
    return this.#generation
  }

  list(): Assignment[] {
    return [...this.#owned.values()]
  }

  /** By `partitionKey`. */
  epoch(key: string): number | undefined {
    return this.#owned.get(key)?.epoch
  }

  /**
   * Takes a new assignment. What stays keeps its epoch, but only from one generation to the very next:
   * in a generation between, somebody else may have owned it.
   */
  assign(partitions: readonly TopicPartition[], generation: number): void {
    const isNext = generation === this.#generation + 1
    // By the clock, so that they are new after a restart too.
    const epoch = Math.max(Date.now(), this.#lastEpoch + 1)
    this.#lastEpoch = epoch
    const before = this.#owned
    this.#owned = new Map(
      partitions.map(({ topic, partition }) => {
        const key = partitionKey({ topic, partition })
        const kept = isNext ? before.get(key)?.epoch : undefined
        return [key, { topic, partition, epoch: kept ?? epoch }]
      }),
    )
    this.#generation = generation
  }

  /** Everything is gone; returns what it was. */
  lose(): Assignment[] {
    const lost = this.list()
    this.#owned = new Map()
    this.#generation = -1
    return lost
  }
}
