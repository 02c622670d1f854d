/** Follows one event: through the log, the triggers, a running runtime's memory, and the dead letters. */
import { isDeadLetterTopic, retryTopic } from '../../runtime/broker/names.ts'
import { decodeRecord } from '../../runtime/codec/record.ts'
import type { LogRecord, TopicPartition } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import { topicPrefixOf, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import { DEAD_LETTER_HEADERS, headerText } from '../../runtime/dlq/headers.ts'
import { readLetter, type Letter } from '../../runtime/dlq/letter.ts'
import { refOf } from '../../runtime/dlq/ref.ts'
import { recordsOf } from '../../runtime/dlq/scan.ts'
import { statesOf } from '../../runtime/dlq/states.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { letterLine } from '../commands/dlq/letter-line.ts'
import type { LogAccess } from '../log-access.ts'
import {
  NOT_KEPT,
  type Occurrence,
  type ReplyLine,
  type WhyLetter,
  type WhyReport,
} from './report.ts'
import { withStepLetters } from './step-letters.ts'
import { triggerReports } from './trigger-report.ts'

export interface FollowOptions {
  id: string
  source?: string
  /** Topic of the only broker to look in. Default: all brokers. */
  topic?: string
  /** Undefined where there is no build. */
  triggers: readonly TriggerManifest[] | undefined
}

const BROKER_TOPICS = 'knative-broker-'

export async function followEvent(access: LogAccess, options: FollowOptions): Promise<WhyReport> {
  const occurrences: Occurrence[] = []
  const replies: ReplyLine[] = []
  for (const topic of await topicsToSearch(access, options)) {
    for await (const { at, record } of recordsOf(access.reader, topic)) {
      const event = eventOf(record)
      if (event === undefined) continue
      if (isMeant(event, options)) {
        occurrences.push(await occurrenceOf(access, options, { at, record, event }))
      } else if (event.attributes['causationid'] === options.id) {
        replies.push(replyOf(at, record, event))
      }
    }
  }
  const deadLetters = await deadLettersOf(access, options, placesOf(occurrences))
  return {
    id: options.id,
    occurrences:
      occurrences.length === 0
        ? NOT_KEPT
        : occurrences.map((one) => withStepLetters(one, deadLetters)),
    replies,
    deadLetters,
  }
}

/** The brokers' topics, and those of replayed events. */
async function topicsToSearch(
  { reader }: LogAccess,
  { topic, triggers = [] }: FollowOptions,
): Promise<string[]> {
  const wanted = triggers.filter((one) => topic === undefined || one.topic === topic)
  const ours = new Set(wanted.flatMap((one) => [one.topic, retryTopic(topicPrefixOf(one))]))
  if (topic !== undefined) ours.add(topic)
  const there = (await reader.topics()).map((info) => info.topic)
  return there.filter(
    (name) => ours.has(name) || (topic === undefined && name.startsWith(BROKER_TOPICS)),
  )
}

function eventOf(record: LogRecord): Event | undefined {
  try {
    return decodeRecord(record)
  } catch (error) {
    if (isMillraceError(error)) return undefined // quarantined, if anybody read it
    throw error
  }
}

function isMeant({ attributes }: Event, { id, source }: FollowOptions): boolean {
  return attributes.id === id && (source === undefined || attributes.source === source)
}

async function occurrenceOf(
  access: LogAccess,
  { triggers }: FollowOptions,
  found: { at: TopicPartition; record: LogRecord; event: Event },
): Promise<Occurrence> {
  const { at, record, event } = found
  const replayOf = headerText(record, DEAD_LETTER_HEADERS.replayOf)
  const place = { topic: at.topic, partition: at.partition, offset: record.offset }
  return {
    ...place,
    timestamp: new Date(record.timestamp).toISOString(),
    key: record.key === null ? null : record.key.toString(),
    source: event.attributes.source,
    type: event.attributes.type,
    ...(replayOf === undefined ? {} : { replayOf }),
    triggers:
      triggers === undefined ? NOT_KEPT : await triggerReports(access, triggers, { place, event }),
  }
}

function replyOf(at: TopicPartition, record: LogRecord, { attributes }: Event): ReplyLine {
  const { type, id, source } = attributes
  return { topic: at.topic, partition: at.partition, offset: record.offset, type, id, source }
}

function isAbout(
  { id, source, origin }: Letter,
  options: FollowOptions,
  places: ReadonlySet<string>,
): boolean {
  if (origin !== undefined && places.has(refOf(origin, origin.offset))) return true
  if (id !== options.id) return false
  if (options.source !== undefined && source !== options.source) return false
  return options.topic === undefined || origin === undefined || origin.topic === options.topic
}

/** What a step of a flow could not process has an id of its own, and came of the event all the same. */
function placesOf(occurrences: readonly Occurrence[]): ReadonlySet<string> {
  return new Set(occurrences.map((one) => refOf(one, one.offset)))
}

async function deadLettersOf(
  access: LogAccess,
  options: FollowOptions,
  places: ReadonlySet<string>,
): Promise<WhyLetter[]> {
  const found: WhyLetter[] = []
  const { reader } = access
  for (const { topic } of (await reader.topics()).filter((one) => isDeadLetterTopic(one.topic))) {
    const states = await statesOf(reader, topic)
    for await (const { at, record } of recordsOf(reader, topic)) {
      const letter = readLetter(at, record)
      if (letter === undefined || !isAbout(letter, options, places)) continue
      const state = states.of(letter.ref)
      found.push({
        ...letterLine(letter, state?.state ?? 'open'),
        origin: letter.origin === undefined ? null : refOf(letter.origin, letter.origin.offset),
        replayOf: letter.replayOf ?? null,
        to: state?.to ?? null,
        reason: state?.reason ?? null,
      })
    }
  }
  return found
}
