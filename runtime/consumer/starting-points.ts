/**
 * Where each trigger goes on in partitions that were just gained.
 *
 * A group's start is written down before its first record is handled: a crash before the first commit
 * must not lose what came in between.
 */
import {
  partitionKey,
  type Broker,
  type CommittedOffset,
  type OffsetCommit,
  type PartitionRange,
  type TopicPartition,
} from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import type { TriggerManifest } from '../contract/manifest.ts'
import { eachLimited } from './limited.ts'
import type { Progress } from './watermark.ts'

export interface StartingPoint {
  from: Progress
  /** The committed offset is not in the log: a person has to decide. */
  trouble?: string
}

export type StartingPoints = (trigger: TriggerManifest, at: TopicPartition) => StartingPoint

const REQUESTS_AT_ONCE = 8

export async function startingPoints(
  broker: Pick<Broker, 'committed' | 'commit' | 'ranges'>,
  triggers: readonly TriggerManifest[],
  partitions: readonly TopicPartition[],
  log: Logger,
): Promise<StartingPoints> {
  const ranges = new Map(
    (await broker.ranges(partitions)).map((range) => [partitionKey(range), range]),
  )
  const points = new Map<string, StartingPoint>()
  await eachLimited(triggers, REQUESTS_AT_ONCE, async (trigger) => {
    const own = partitions.filter((at) => at.topic === trigger.topic)
    if (own.length === 0) return
    const starts: OffsetCommit[] = []
    for (const committed of await broker.committed(trigger.group, own)) {
      const range = ranges.get(partitionKey(committed)) as PartitionRange
      const point = startingPoint(trigger, committed, range)
      if (point.trouble === undefined) starts.push({ ...at(committed), ...point.from })
      else log.error({ group: trigger.group }, point.trouble)
      points.set(keyOf(trigger, committed), point)
    }
    // Also where the group has a position already: Kafka refuses it while another consumer (a Knative
    // dispatcher) is in that group, and then nothing may be handled twice.
    if (starts.length > 0) await broker.commit(trigger.group, starts)
  })
  return (trigger, where) => points.get(keyOf(trigger, where)) as StartingPoint
}

function startingPoint(
  trigger: TriggerManifest,
  committed: CommittedOffset,
  range: PartitionRange,
): StartingPoint {
  if (committed.offset === undefined) {
    const offset = trigger.startFrom === 'earliest' ? range.start : range.end
    return { from: { offset, metadata: '' } }
  }
  const from = { offset: committed.offset, metadata: committed.metadata }
  if (committed.offset >= range.start && committed.offset <= range.end) return { from }
  return {
    from,
    trouble:
      `OffsetLost: trigger ${trigger.namespace}/${trigger.name} had reached offset ${committed.offset} of ` +
      `${committed.topic}/${committed.partition}, but the log holds ${range.start} to ${range.end}; ` +
      `set the offset of group ${trigger.group} with a Kafka tool and restart`,
  }
}

function keyOf(trigger: TriggerManifest, where: TopicPartition): string {
  return `${trigger.group} ${partitionKey(where)}`
}

function at({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
