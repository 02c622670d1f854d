/**
 * What the log holds, known without asking its thread: this process is the log's only writer. Reads at
 * the end of a partition wait here.
 */
import type { PartitionRange, TopicInfo, TopicPartition } from '../../contract/broker.ts'
import { MillraceError } from '../../errors.ts'
import type { TopicRow } from './messages.ts'

export interface PartitionState extends TopicPartition {
  /** The partition's number in the database, over all topics. */
  readonly id: number
  start: number
  end: number
  /** Called when the end has moved, or the broker was closed. */
  readonly waiting: Set<() => void>
}

export class TopicTable {
  readonly #topics = new Map<string, readonly PartitionState[]>()
  readonly #byId = new Map<number, PartitionState>()

  add({ topic, partitions }: TopicRow): void {
    if (this.#topics.has(topic)) return
    const states = partitions.map((row, partition) => ({
      topic,
      partition,
      ...row,
      waiting: new Set<() => void>(),
    }))
    this.#topics.set(topic, states)
    for (const state of states) this.#byId.set(state.id, state)
  }

  infoOf(topic: string): TopicInfo | undefined {
    const partitions = this.#topics.get(topic)?.length
    return partitions === undefined ? undefined : { topic, partitions }
  }

  names(): string[] {
    return [...this.#topics.keys()].sort()
  }

  /** Throws `FN_BROKER_UNKNOWN_TOPIC`. */
  partitionsOf(topic: string): readonly PartitionState[] {
    const partitions = this.#topics.get(topic)
    if (partitions) return partitions
    throw new MillraceError(
      'FN_BROKER_UNKNOWN_TOPIC',
      `The embedded log has no topic ${topic}. Make it with ensureTopic first`,
    )
  }

  /** Throws `FN_BROKER_UNKNOWN_TOPIC`. */
  at({ topic, partition }: TopicPartition): PartitionState {
    const partitions = this.partitionsOf(topic)
    const state = partitions[partition]
    if (state) return state
    throw new MillraceError(
      'FN_BROKER_UNKNOWN_TOPIC',
      `Topic ${topic} has no partition ${partition}: it has ${partitions.length}, numbered from 0`,
    )
  }

  moveStart(partitionId: number, start: number): void {
    const state = this.#byId.get(partitionId)
    if (state) state.start = start
  }

  wakeAll(): void {
    for (const state of this.#byId.values()) wake(state)
  }
}

export function rangeOf({ topic, partition, start, end }: PartitionState): PartitionRange {
  return { topic, partition, start, end }
}

export function wake(state: PartitionState): void {
  for (const wakeOne of state.waiting) wakeOne()
}

/** Resolves when the partition's end moves, or after `waitMs`; rejects with the reason of an abort. */
export function moved(state: PartitionState, waitMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      state.waiting.delete(done)
      signal?.removeEventListener('abort', aborted)
    }
    const done = (): void => {
      stop()
      resolve()
    }
    const aborted = (): void => {
      stop()
      reject(signal?.reason)
    }
    const timer = setTimeout(done, waitMs)
    state.waiting.add(done)
    signal?.addEventListener('abort', aborted)
  })
}
