/**
 * What a takeover moves: committed offsets of one consumer group to another, on the same topic. Everything
 * is looked at before anything moves.
 */
import type { Broker, CommittedOffset, OffsetCommit } from '../../runtime/contract/broker.ts'
import { decodeFinished } from '../../runtime/consumer/finished-offsets.ts'
import { MillraceError } from '../../runtime/errors.ts'

/** One trigger on both sides. */
export interface Handover {
  /** `namespace/name`. */
  trigger: string
  /** What it is in Knative. */
  kind: 'trigger' | 'subscription'
  topic: string
  from: string
  to: string
  back: boolean
}

export interface PlannedMove extends Handover {
  /** Of each partition; undefined where `from` has committed nothing. */
  offsets: CommittedOffset[]
  /** What is written; empty where `to` is `from`, or stands there already. */
  commits: OffsetCommit[]
}

type Log = Pick<Broker, 'topics' | 'committed' | 'hasMembers'>

/** Throws `FN_CLI_REFUSED` where moving would lose events or run some twice; `force` accepts the latter. */
export async function plan(log: Log, handover: Handover, force: boolean): Promise<PlannedMove> {
  const { trigger, kind, topic, from, to } = handover
  for (const group of new Set([from, to])) {
    if (await log.hasMembers(group)) throw refused(handover, membersOf(handover, group))
  }
  const [info] = await log.topics([topic])
  if (info === undefined) {
    throw new MillraceError('FN_CLI_NOT_FOUND', `${kind} ${trigger}: there is no topic ${topic}`)
  }
  const partitions = Array.from({ length: info.partitions }, (_, partition) => ({
    topic,
    partition,
  }))
  const offsets = await log.committed(from, partitions)
  if (offsets.every(({ offset }) => offset === undefined)) {
    const why = `group ${from} has committed nothing for topic ${topic}, so there is nothing to go on from; look at the status of the ${kind}`
    throw refused(handover, why)
  }
  if (handover.back && !force) requireDrained(handover, offsets)
  if (to === from) return { ...handover, offsets, commits: withoutMetadata(handover, offsets) }
  const there = await log.committed(to, partitions)
  if (!force) requireFree(handover, offsets, there)
  const commits = offsets.flatMap((one) => {
    const stands = there.find(({ partition }) => partition === one.partition)?.offset
    return one.offset === undefined || one.offset === stands ? [] : [commitOf(one, one.offset)]
  })
  return { ...handover, offsets, commits }
}

function membersOf({ back, kind }: Handover, group: string): string {
  const instead =
    kind === 'trigger' ? ', or delete the Trigger after its status was saved' : ' (of channels)'
  const whose = back
    ? `Knative must not run the ${kind} yet: scale the dispatcher to 0`
    : `Knative still runs the ${kind}: scale the dispatcher to 0${instead}`
  return `group ${group} has members. ${whose}, and wait until the group is empty (about 10 s)`
}

/** Knative reads only the offset: it would run what the metadata names as finished once more. */
function requireDrained(handover: Handover, offsets: readonly CommittedOffset[]): void {
  for (const { partition, offset, metadata } of offsets) {
    if (offset === undefined) continue
    const finished = decodeFinished(offset, metadata)
    if (finished.length === 0) continue
    const count = finished.reduce((sum, [start, end]) => sum + end - start, 0)
    const why =
      `partition ${partition} stands at ${offset}, and ${count} later events are finished already. Knative would run them again. ` +
      'Start the runtime once more until what waits for a retry has ended (fn lag shows no lag), stop it, and try again; --force hands over as it is'
    throw refused(handover, why)
  }
}

/** Nobody else's progress is overwritten. Going back, Knative's own older offsets are what is replaced. */
function requireFree(
  handover: Handover,
  offsets: readonly CommittedOffset[],
  there: readonly CommittedOffset[],
): void {
  for (const { partition, offset } of there) {
    const ours = offsets.find((one) => one.partition === partition)?.offset
    if (offset === undefined || offset === ours) continue
    if (handover.back && (ours === undefined || offset < ours)) continue
    const why = `group ${handover.to} stands at ${offset} in partition ${partition}, and ${handover.from} at ${ours ?? 'nothing'}: somebody has run it since. --force writes over it`
    throw refused(handover, why)
  }
}

/** With one group for both, going back by force leaves nothing behind that another writer would not. */
function withoutMetadata(handover: Handover, offsets: readonly CommittedOffset[]): OffsetCommit[] {
  if (!handover.back) return []
  return offsets.flatMap((one) =>
    one.offset === undefined || one.metadata === '' ? [] : [commitOf(one, one.offset)],
  )
}

function commitOf({ topic, partition }: CommittedOffset, offset: number): OffsetCommit {
  return { topic, partition, offset }
}

function refused({ trigger, kind }: Handover, why: string): MillraceError {
  return new MillraceError('FN_CLI_REFUSED', `${kind} ${trigger}: ${why}. Nothing was moved`)
}
