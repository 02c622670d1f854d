/** Everything that the log holds in the end, for the checker. */
import { setTimeout as delay } from 'node:timers/promises'
import { deadLetterTopic, quarantineTopic } from '../../runtime/broker/names.ts'
import type { Broker, LogRecord, TopicPartition } from '../../runtime/contract/broker.ts'
import {
  loggedEvent,
  type LoggedEvent,
  type RawRecord,
  type TopicsRead,
} from '../invariants/logged-event.ts'
import { forEachFunction, type ChainNames } from './chain.ts'

export type Log = Pick<Broker, 'topics' | 'ranges' | 'read' | 'committed'>

/** Hands over each record of a topic, those of a partition in their order; a missing topic has none. */
export type TopicReader = (topic: string, take: (record: RawRecord) => void) => Promise<void>

const LAG_EVERY_MS = 250
const TELL_EVERY_MS = 10_000

export async function readTopics(names: ChainNames, read: TopicReader): Promise<TopicsRead> {
  const topics: TopicsRead = { events: [], deadLetters: forEachFunction(() => []), strange: [] }
  const take = (record: RawRecord, judged: (event: LoggedEvent) => void): void => {
    const event = loggedEvent(record)
    if (typeof event === 'string') topics.strange.push(event)
    else judged(event)
  }
  for (const { topic, nameOf } of names.events) {
    await read(topic, (record) => {
      take(record, (event) => topics.events.push({ ...event, type: nameOf(event.type) }))
    })
    await read(quarantineTopic(topic), ({ partition, offset }) => {
      topics.strange.push(`${topic}/${partition}/${offset} was quarantined`)
    })
  }
  // Also where nobody's are: those of the trigger that leads into a flow.
  for (const topic of new Set(names.readers.map(({ group }) => deadLetterTopic(group)))) {
    await read(topic, (record) => {
      take(record, (event) => {
        const step = record.headers['ce_fnstep']
        const of = names.deadLetters.find((one) => one.topic === topic && one.step === step)?.of
        if (of === undefined) topics.strange.push(strangeLetter(record, step))
        else topics.deadLetters[of].push(event)
      })
    })
  }
  return topics
}

function strangeLetter({ topic, partition, offset }: RawRecord, step = 'no step'): string {
  return `${topic}/${partition}/${offset} is a dead letter of ${step}`
}

/** Reads with the product's own driver. */
export function driverReader(log: Log): TopicReader {
  return async (topic, take) => {
    for (const at of await partitionsOf(log, topic)) {
      const [range] = await log.ranges([at])
      for (let position = range?.start ?? 0; position < (range?.end ?? 0);) {
        const batch = await log.read(at, position, { maxBytes: 4 << 20, waitMs: 500 })
        for (const record of batch.records) take(rawRecord(at, record))
        if (batch.next <= position) throw new Error(`${topic} cannot be read past ${position}`)
        position = batch.next
      }
    }
  }
}

export interface CaughtUpOptions {
  deadlineMs: number
  tell: (text: string) => void
}

/** Resolves when every trigger has committed up to the end of the log. */
export async function caughtUp(
  log: Log,
  names: ChainNames,
  { deadlineMs, tell }: CaughtUpOptions,
): Promise<void> {
  const partitions = new Map<string, TopicPartition[]>()
  for (const { topic } of names.readers) partitions.set(topic, await partitionsOf(log, topic))
  const deadline = Date.now() + deadlineMs
  let toldAt = Date.now()
  for (;;) {
    const lags: Record<string, number> = {}
    // The ends after what is done: what is done may have moved them.
    for (const { group, topic } of names.readers) {
      const committed = await log.committed(group, partitions.get(topic) ?? [])
      lags[group] = committed.reduce((sum, one) => sum - (one.offset ?? 0), 0)
    }
    for (const { group, topic } of names.readers) {
      for (const { end } of await log.ranges(partitions.get(topic) ?? []))
        lags[group] = (lags[group] ?? 0) + end
    }
    if (Object.values(lags).every((lag) => lag === 0)) return
    if (Date.now() > deadline) {
      throw new Error(`lag after ${deadlineMs} ms: ${JSON.stringify(lags)}`)
    }
    if (Date.now() > toldAt + TELL_EVERY_MS) {
      toldAt = Date.now()
      tell(`lag ${JSON.stringify(lags)}`)
    }
    await delay(LAG_EVERY_MS)
  }
}

async function partitionsOf(log: Log, topic: string): Promise<TopicPartition[]> {
  const [info] = await log.topics([topic])
  return Array.from({ length: info?.partitions ?? 0 }, (_, partition) => ({ topic, partition }))
}

function rawRecord(at: TopicPartition, record: LogRecord): RawRecord {
  const headers: Record<string, string> = {}
  for (const [name, value] of record.headers) headers[name.toString()] = value?.toString() ?? ''
  return {
    ...at,
    offset: record.offset,
    at: record.timestamp,
    key: record.key?.toString() ?? null,
    headers,
    value: record.value?.toString() ?? null,
  }
}
