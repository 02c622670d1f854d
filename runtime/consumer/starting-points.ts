/**
 * Where each trigger goes on in partitions that were just gained.
 *
 * A group's start is written down before its first record is handled, and for all partitions of the topic
 * at once: a crash before the first commit must not lose what came in between, and a partition that has
 * no offset although its group has others is one that was added since; its events are all new.
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
import { triggerName, type TriggerManifest } from '../contract/manifest.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { eachLimited } from './limited.ts'
import type { Progress } from './watermark.ts'

export interface StartingPoint {
  from: Progress
  /** What its group has committed, where that is not `from`. */
  committed?: Progress
  /** Why the trigger cannot start here. */
  trouble?: string
  /** The trouble may pass by itself: ask again. Without, a person has to decide. */
  passing?: boolean
}

export type StartingPoints = (trigger: TriggerManifest, at: TopicPartition) => StartingPoint

/** Where triggers stood that are replaced by others of the same group; by `placeKey`. */
export type Places = Map<string, StartingPoint>

export function placeKey({ group }: Pick<TriggerManifest, 'group'>, at: TopicPartition): string {
  return `${group} ${partitionKey(at)}`
}

/** What finding a place takes; with `exactlyOnce` reads and commits are those of a transaction. */
export type StartLog = Pick<Broker, 'topics' | 'ranges'> & {
  committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>
  commit(group: string, offsets: readonly OffsetCommit[]): Promise<void>
}

const REQUESTS_AT_ONCE = 8
/** How long another process, which owns the first partition, has to write a new group's start. */
const FIRST_OWNER_MS = 3_000
const LOOK_MS = 200

export async function startingPoints(
  broker: StartLog,
  triggers: readonly TriggerManifest[],
  gained: readonly TopicPartition[],
  log: Pick<Logger, 'error'>,
): Promise<StartingPoints> {
  const topics = [...new Set(gained.map(({ topic }) => topic))]
  const all = (await broker.topics(topics)).flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  )
  const ranges = await broker.ranges(all)
  const points = new Map<string, StartingPoint>()
  await eachLimited(triggers, REQUESTS_AT_ONCE, async (trigger) => {
    const own = gained.filter(({ topic }) => topic === trigger.topic)
    if (own.length === 0) return
    const topicRanges = ranges.filter(({ topic }) => topic === trigger.topic)
    for (const [key, point] of await pointsOf(broker, trigger, own, topicRanges)) {
      if (point.trouble !== undefined) log.error({ group: trigger.group }, point.trouble)
      points.set(`${trigger.group} ${key}`, point)
    }
  })
  return (trigger, where) => points.get(placeKey(trigger, where)) as StartingPoint
}

/** The points of one trigger. A group that refuses us holds up no other trigger. */
async function pointsOf(
  broker: StartLog,
  trigger: TriggerManifest,
  own: readonly TopicPartition[],
  ranges: readonly PartitionRange[],
): Promise<Map<string, StartingPoint>> {
  try {
    return await askedPoints(broker, trigger, own, ranges)
  } catch (error) {
    const refused =
      isMillraceError(error, 'FN_BROKER_COMMIT_REFUSED') ||
      isMillraceError(error, 'FN_BROKER_REFUSED')
    if (!refused) throw error
    const trouble = `trigger ${triggerName(trigger)} cannot start: ${error.message}`
    const point = { from: { offset: 0, metadata: '' }, trouble, passing: true }
    return new Map(own.map((at) => [partitionKey(at), point]))
  }
}

async function askedPoints(
  broker: StartLog,
  trigger: TriggerManifest,
  own: readonly TopicPartition[],
  ranges: readonly PartitionRange[],
): Promise<Map<string, StartingPoint>> {
  const all = ranges.map(({ topic, partition }) => ({ topic, partition }))
  let committed = await broker.committed(trigger.group, all)
  if (isNew(committed) && !own.some(({ partition }) => partition === 0)) {
    const until = Date.now() + FIRST_OWNER_MS
    while (isNew(committed) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      committed = await broker.committed(trigger.group, all)
    }
  }
  const isNewGroup = isNew(committed)
  const mine = new Set(own.map(partitionKey))
  const points = new Map<string, StartingPoint>()
  const starts: OffsetCommit[] = []
  for (const [index, at] of all.entries()) {
    const known = committed.find((one) => one.partition === at.partition) as CommittedOffset
    const point = startingPoint(trigger, known, ranges[index] as PartitionRange, isNewGroup)
    const isMine = mine.has(partitionKey(at))
    if (isMine) points.set(partitionKey(at), point)
    if ((isMine || isNewGroup) && point.trouble === undefined) starts.push({ ...at, ...point.from })
  }
  // Also where the group has a position already: Kafka refuses it while another consumer (a Knative
  // dispatcher) is in that group, and then nothing may be handled twice.
  if (starts.length > 0) await broker.commit(trigger.group, starts)
  return points
}

function isNew(committed: readonly CommittedOffset[]): boolean {
  return committed.every(({ offset }) => offset === undefined)
}

function startingPoint(
  trigger: TriggerManifest,
  committed: CommittedOffset,
  range: PartitionRange,
  isNewGroup: boolean,
): StartingPoint {
  if (committed.offset === undefined) {
    const fromEnd = isNewGroup && trigger.startFrom === 'latest'
    return { from: { offset: fromEnd ? range.end : range.start, metadata: '' } }
  }
  return knownPoint(trigger, { ...committed, offset: committed.offset }, range)
}

/**
 * Where a trigger goes on in its retry topic. Whatever stands there was sent to this trigger alone, so it
 * begins at the start.
 */
export async function retryStart(
  log: Pick<StartLog, 'committed' | 'ranges'>,
  trigger: TriggerManifest,
  at: TopicPartition,
): Promise<StartingPoint> {
  const where = { topic: at.topic, partition: at.partition }
  const [range] = await log.ranges([where])
  const [committed] = await log.committed(trigger.group, [where])
  const { start, end } = range as PartitionRange
  if (committed?.offset === undefined) return { from: { offset: start, metadata: '' } }
  return knownPoint(trigger, { ...committed, offset: committed.offset }, { ...where, start, end })
}

/** Throws `FN_BROKER_COMMIT_REFUSED` while somebody else, such as a Knative dispatcher, is in the group. */
export async function refuseMembers(
  broker: Pick<Broker, 'hasMembers'>,
  group: string,
): Promise<void> {
  if (!(await broker.hasMembers(group))) return
  throw new MillraceError(
    'FN_BROKER_COMMIT_REFUSED',
    `The group ${group} has members: a Knative dispatcher, or another consumer, is running in it. Stop it before Millrace takes this trigger over`,
    { detail: { group } },
  )
}

function knownPoint(
  trigger: TriggerManifest,
  committed: OffsetCommit,
  range: PartitionRange,
): StartingPoint {
  const from = { offset: committed.offset, metadata: committed.metadata ?? '' }
  if (committed.offset >= range.start && committed.offset <= range.end) return { from }
  const name = triggerName(trigger)
  return {
    from,
    passing: true,
    trouble:
      `OffsetLost: trigger ${name} had reached offset ${committed.offset} of ` +
      `${committed.topic}/${committed.partition}, but the log holds ${range.start} to ${range.end}; ` +
      `decide where it goes on: fn resume ${name} --partition ${committed.partition} --from earliest, latest, or an offset`,
  }
}
