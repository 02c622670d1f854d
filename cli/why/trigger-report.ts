/** What became of one record at each trigger that it may be for. */
import { retryTopic } from '../../runtime/broker/names.ts'
import { Watermark } from '../../runtime/consumer/watermark.ts'
import type { CommittedOffset } from '../../runtime/contract/broker.ts'
import type { CursorState } from '../../runtime/contract/cursor-state.ts'
import type { Event } from '../../runtime/contract/event.ts'
import type { DeliveryTrace } from '../../runtime/contract/history.ts'
import {
  topicPrefixOf,
  triggerName,
  type TriggerManifest,
} from '../../runtime/contract/manifest.ts'
import { takerName } from '../../runtime/contract/subscriber.ts'
import { explain } from '../../runtime/filter/explain.ts'
import type { LogAccess } from '../log-access.ts'
import { NOT_KEPT, type Place, type Position, type TriggerReport } from './report.ts'

export interface FoundEvent {
  place: Place
  event: Event
}

export async function triggerReports(
  access: LogAccess,
  triggers: readonly TriggerManifest[],
  found: FoundEvent,
): Promise<TriggerReport[]> {
  const { topic } = found.place
  const reports: TriggerReport[] = []
  for (const trigger of triggers) {
    if (trigger.topic === topic) {
      reports.push(await reportOf(access, trigger, found, explain(found.event, trigger.filters)))
    } else if (retryTopic(topicPrefixOf(trigger)) === topic) {
      // A replay has passed the filter once, and is for this trigger whatever the filter says now.
      reports.push(await reportOf(access, trigger, found, { matches: true, failed: [] }))
    }
  }
  return reports
}

async function reportOf(
  access: LogAccess,
  trigger: TriggerManifest,
  { place }: FoundEvent,
  explanation: Pick<TriggerReport, 'matches' | 'failed'>,
): Promise<TriggerReport> {
  const name = triggerName(trigger)
  const trace = await access.delivery?.({ trigger: name, ...place })
  return {
    trigger: name,
    function: takerName(trigger),
    matches: explanation.matches,
    failed: explanation.failed,
    position: await positionOf(access, trigger, { place, trace }),
    ...remembered(trace),
    deadLetteredAt: [],
  }
}

function remembered(
  trace: DeliveryTrace | undefined,
): Pick<TriggerReport, 'attempts' | 'outcome' | 'endedAt'> {
  if (trace === undefined) return { attempts: NOT_KEPT, outcome: NOT_KEPT, endedAt: null }
  return {
    attempts: trace.attempts.length === 0 ? NOT_KEPT : trace.attempts,
    outcome: trace.outcome ?? 'under way',
    endedAt: trace.endedAt === undefined ? null : new Date(trace.endedAt).toISOString(),
  }
}

async function positionOf(
  access: LogAccess,
  trigger: TriggerManifest,
  { place, trace }: { place: Place; trace: DeliveryTrace | undefined },
): Promise<Position> {
  const at = { topic: place.topic, partition: place.partition }
  const [committed] = await access.reader.committed(trigger.group, [at])
  const offset = committed?.offset
  if (offset === undefined) return { state: 'not yet read', committed: null }
  const isEnded = trace?.outcome !== undefined // its commit may be on its way
  if (isEnded || place.offset < offset || isFinishedAbove(committed, place.offset)) {
    return { state: 'finished', committed: offset }
  }
  const live = access.live === undefined ? [] : (await access.live()).cursors
  const cursor = live.find(
    (one) =>
      one.group === trigger.group && one.topic === at.topic && one.partition === at.partition,
  )
  const unread = trace === undefined && cursor !== undefined && isHeld(cursor)
  return { state: unread ? 'not yet read' : 'waiting', committed: offset }
}

function isFinishedAbove(committed: CommittedOffset | undefined, offset: number): boolean {
  if (committed?.offset === undefined) return false
  const { metadata } = committed
  return new Watermark({ offset: committed.offset, metadata }).wasFinished(offset)
}

/** It reads nothing, and what it had read has ended. While it reads, nobody can say how far it is. */
function isHeld({ inFlight, paused, trouble }: CursorState): boolean {
  return inFlight === 0 && (paused || trouble !== undefined)
}
