/**
 * Says of a load what was lost, what came twice, what came in the wrong order and what was given up
 * without a cause. It knows only what was sent and what the log holds.
 */
import {
  FUNCTIONS,
  STEPS,
  type FunctionName,
  type Harm,
  type LoadRecord,
  type SentEvent,
} from './load-record.ts'
import type { LoggedEvent, TopicsRead } from './logged-event.ts'

/** What is on the way of each event, in order: events in the log, by type, and functions that may fail. */
export type Station = string | { fn: FunctionName }

/** Each function replies to the log. */
export const EVERY_STEP: readonly Station[] = [
  ...FUNCTIONS.flatMap((fn, index) => [STEPS[index] as string, { fn }]),
  STEPS[3],
]

export interface CheckInput {
  record: LoadRecord
  topics: TopicsRead
  /** Attempts that the delivery policy allows; a dead letter must have used them all. */
  attempts: number
  /** Nothing may come twice, and the order is judged on every occurrence. Default false. */
  exactlyOnce?: boolean
  /** Begins with what the load sent. Default `EVERY_STEP`. */
  way?: readonly Station[]
}

export interface StepFigures {
  step: string
  /** Records in the log. */
  records: number
  /** Different events among them. */
  events: number
  outOfOrder: number
  /** Events of the load that should have come this far and did not. */
  missing: number
}

export interface Findings {
  steps: StepFigures[]
  accepted: number
  /** Events whose answer was lost at least once. */
  unsure: number
  lost: string[]
  outOfOrder: string[]
  /** By what explains them; `unexplained` among them. */
  duplicates: Record<string, number>
  duplicateCount: number
  /** Examples of duplicates that nothing explains. */
  unexplained: string[]
  deadLetters: number
  /** Whatever else is not as it must be. */
  wrong: string[]
  ok: boolean
}

/** Clocks of processes on one machine agree, but a record is stamped some time before it is appended. */
const STAMP_SLACK_MS = 2_000

export function check(input: CheckInput): Findings {
  const { record, topics, way = EVERY_STEP } = input
  const sent = new Map(record.events.map((event) => [identity(event), event]))
  const duplicates: Duplicates = { byCause: {}, unexplained: [], repeated: new Set() }
  const findings: Findings = {
    steps: [],
    accepted: record.events.filter((event) => event.accepted).length,
    unsure: record.events.filter((event) => event.unsure > 0).length,
    lost: [],
    outOfOrder: [],
    duplicates: duplicates.byCause,
    duplicateCount: 0,
    unexplained: duplicates.unexplained,
    deadLetters: 0,
    wrong: [...topics.strange],
    ok: false,
  }
  const byStep = Map.groupBy(topics.events, (event) => event.type)
  for (const type of byStep.keys()) {
    if (!way.includes(type)) findings.wrong.push(`the log holds events of type ${type}`)
  }
  const seen = new Map<string, Place>()
  for (const station of way) {
    if (typeof station === 'string') {
      const place = placeOf(station, byStep.get(station) ?? [])
      seen.set(station, place)
      judge(place, { ...input, sent }, findings, duplicates)
    } else {
      const { fn } = station
      const letters = placeOf(`dead letters of ${fn}`, topics.deadLetters[fn])
      seen.set(fn, letters)
      judge(letters, { ...input, sent }, findings, duplicates)
      judgeCauses(fn, letters, { ...input, sent }, findings)
    }
  }
  for (const event of record.events) judgeOutcome(event, way, { seen, findings })
  findings.duplicateCount = Object.values(duplicates.byCause).reduce((sum, one) => sum + one, 0)
  findings.ok =
    findings.lost.length === 0 &&
    findings.outOfOrder.length === 0 &&
    findings.unexplained.length === 0 &&
    findings.wrong.length === 0 &&
    (!input.exactlyOnce || findings.duplicateCount === 0)
  return findings
}

/** One station of the chain: the events of a type, or the dead letters of a function. */
interface Place {
  name: string
  /** In the order of the log. */
  events: LoggedEvent[]
  /** The occurrences of each event of the load. */
  byEvent: Map<string, LoggedEvent[]>
  figures: StepFigures
}

interface Duplicates {
  byCause: Record<string, number>
  unexplained: string[]
  /** Events that stand more than once at some place so far: what they cause may do so too. */
  repeated: Set<string>
}

interface Judged extends CheckInput {
  sent: ReadonlyMap<string, SentEvent>
}

function placeOf(name: string, unordered: readonly LoggedEvent[]): Place {
  const events = unordered.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
  const byEvent = Map.groupBy(events, identity)
  const figures = {
    step: name,
    records: events.length,
    events: byEvent.size,
    outOfOrder: 0,
    missing: 0,
  }
  return { name, events, byEvent, figures }
}

function judge(place: Place, input: Judged, findings: Findings, duplicates: Duplicates): void {
  findings.steps.push(place.figures)
  judgeIdentities(place, input, findings)
  judgeOrder(place, input, findings)
  judgeDuplicates(place, input, duplicates)
}

/** Everything in the log comes from the load, under one id and in one partition a key. */
function judgeIdentities(place: Place, { sent }: Judged, { wrong }: Findings): void {
  const partitions = new Map<string, number>()
  for (const event of place.events) {
    const what = describe(place, event)
    if (!sent.has(identity(event))) wrong.push(`${what} was never sent`)
    if (event.recordKey !== event.key) wrong.push(`${what} has the record key ${event.recordKey}`)
    const partition = partitions.get(event.key) ?? event.partition
    if (partition !== event.partition) wrong.push(`${what} is not in partition ${partition}`)
    partitions.set(event.key, partition)
  }
  for (const [first, ...others] of place.byEvent.values()) {
    const other = others.find((one) => one.id !== first?.id || one.source !== first.source)
    if (other !== undefined) wrong.push(`${describe(place, other)} has a second id, ${first?.id}`)
  }
}

/** On the first occurrence of each event; with `exactlyOnce` on every one that the chain made. */
function judgeOrder(place: Place, input: Judged, findings: Findings): void {
  const onEvery = input.exactlyOnce === true && place.name !== STEPS[0]
  const last = new Map<string, number>()
  const known = new Set<string>()
  for (const event of place.events) {
    const who = identity(event)
    if (known.has(who) && !onEvery) continue
    known.add(who)
    const before = last.get(event.key) ?? 0
    if (event.n <= before) {
      place.figures.outOfOrder++
      findings.outOfOrder.push(`${describe(place, event)} stands behind n ${before}`)
    }
    last.set(event.key, Math.max(before, event.n))
  }
}

function judgeDuplicates(place: Place, input: Judged, duplicates: Duplicates): void {
  for (const [who, occurrences] of place.byEvent) {
    for (let i = 1; i < occurrences.length; i++) {
      const [before, again] = occurrences.slice(i - 1, i + 1) as [LoggedEvent, LoggedEvent]
      const isResent = place.name === STEPS[0] && (input.sent.get(who)?.unsure ?? 0) >= i
      // The load itself is at least once where its answers get lost; that is not the runtime's doing.
      if (isResent && input.exactlyOnce) continue
      const cause = isResent
        ? 'answer lost'
        : (harmBetween(before, again, input.record.harms)?.name ??
          (duplicates.repeated.has(who) ? 'cause came twice' : undefined))
      const name = cause ?? 'unexplained'
      duplicates.byCause[name] = (duplicates.byCause[name] ?? 0) + 1
      if (cause === undefined) {
        duplicates.unexplained.push(
          `${describe(place, again)} came again ${again.at - before.at} ms later, at offset ${again.offset}`,
        )
      }
    }
    if (occurrences.length > 1) duplicates.repeated.add(who)
  }
}

/** A repetition is explained by what happened between its two occurrences. */
function harmBetween(
  before: LoggedEvent,
  again: LoggedEvent,
  harms: readonly Harm[],
): Harm | undefined {
  const from = Math.min(before.at, again.at) - STAMP_SLACK_MS
  const until = Math.max(before.at, again.at) + STAMP_SLACK_MS
  return harms.find((harm) => harm.from <= until && harm.until >= from)
}

/** Only poison ends as a dead letter, where it is poison, after all attempts. */
function judgeCauses(fn: FunctionName, place: Place, input: Judged, findings: Findings): void {
  findings.deadLetters += place.byEvent.size
  for (const event of place.events) {
    const what = describe(place, event)
    if (input.sent.get(identity(event))?.poison !== fn) {
      findings.wrong.push(`${what} has no cause (${event.code}, ${event.attempts} attempts)`)
    } else if (event.code !== 'FN_HANDLER_THREW') {
      findings.wrong.push(`${what} says ${event.code}`)
    } else if (event.attempts !== input.attempts) {
      findings.wrong.push(`${what} says ${event.attempts} attempts, not ${input.attempts}`)
    }
  }
}

/** What was accepted reaches every place on its way, and no other. */
function judgeOutcome(
  event: SentEvent,
  way: readonly Station[],
  { seen, findings }: { seen: ReadonlyMap<string, Place>; findings: Findings },
): void {
  const who = identity(event)
  const isInLog = seen.get(STEPS[0])?.byEvent.has(who) === true
  // One that was never answered may not be there; if it is, it has to go the whole way too.
  if (!event.accepted && !isInLog) return
  const end = way.findIndex((one) => typeof one !== 'string' && one.fn === event.poison)
  const missing: string[] = []
  const expected = stepsOf(end === -1 ? way : way.slice(0, end))
  if (event.poison !== undefined) expected.push(event.poison)
  for (const name of expected) {
    const place = seen.get(name)
    if (place === undefined || place.byEvent.has(who)) continue
    place.figures.missing++
    missing.push(place.name)
  }
  if (missing.length > 0) {
    findings.lost.push(`${event.key} n ${event.n} (${event.id}): not in ${missing.join(', ')}`)
  }
  if (end === -1) return
  for (const name of stepsOf(way.slice(end))) {
    if (seen.get(name)?.byEvent.has(who)) {
      findings.wrong.push(`${event.key} n ${event.n} is poison in ${event.poison} and in ${name}`)
    }
  }
}

function identity({ key, n }: { key: string; n: number }): string {
  return `${key}/${n}`
}

function describe(place: Place, { key, n, id, partition, offset }: LoggedEvent): string {
  return `${place.name} ${key} n ${n} (${id}, ${partition}/${offset})`
}

function stepsOf(way: readonly Station[]): string[] {
  return way.filter((station) => typeof station === 'string')
}
