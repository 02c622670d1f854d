/** Reads a topic with Kafka's own console consumer: a second opinion on what the log holds. */
import type { RawRecord } from '../invariants/logged-event.ts'
import type { KafkaCluster } from '../support/kafka.ts'
import type { TopicReader } from './read-topics.ts'

// Stacks hold line breaks and tabs, so what divides must be what nobody writes.
const FIELD = '<|field|>'
const HEADER = '<|header|>'
const RECORD = '<|record|>\n'
/** It ends when nothing has come for so long. */
const QUIET_MS = 5_000

export function consoleReader(kafka: KafkaCluster): TopicReader {
  return async (topic, take) => {
    const existing = await kafka.tool('topics', ['--list'])
    if (!existing.split('\n').includes(topic)) return
    let rest = ''
    await kafka.toolOutput('console-consumer', consumerArgs(topic), (text) => {
      const records = (rest + text).split(RECORD)
      rest = records.pop() ?? ''
      for (const record of records) take(parseRecord(topic, record))
    })
    if (rest.trim() !== '') throw new Error(`half a record of ${topic}: ${rest.slice(0, 200)}`)
  }
}

function consumerArgs(topic: string): string[] {
  const properties = {
    'print.timestamp': 'true',
    'print.partition': 'true',
    'print.offset': 'true',
    'print.headers': 'true',
    'print.key': 'true',
    'null.literal': '<|null|>',
    'key.separator': FIELD,
    'headers.separator': HEADER,
    'line.separator': RECORD,
  }
  const args = ['--topic', topic, '--from-beginning', '--isolation-level', 'read_committed']
  args.push('--timeout-ms', String(QUIET_MS))
  for (const [name, value] of Object.entries(properties))
    args.push('--property', `${name}=${value}`)
  return args
}

/** `CreateTime:1`, `Partition:0`, `Offset:7`, `name:value…`, key, value. */
export function parseRecord(topic: string, text: string): RawRecord {
  const [time = '', partition = '', offset = '', headers = '', key = '', ...value] =
    text.split(FIELD)
  const raw: Record<string, string> = {}
  for (const header of headers.split(HEADER)) {
    const colon = header.indexOf(':')
    if (colon > 0) raw[header.slice(0, colon)] = header.slice(colon + 1)
  }
  const body = value.join(FIELD)
  return {
    topic,
    partition: numberIn(partition),
    offset: numberIn(offset),
    at: numberIn(time),
    key: key === '<|null|>' ? null : key,
    headers: raw,
    value: body === '<|null|>' ? null : body,
  }
}

function numberIn(text: string): number {
  const digits = /:(\d+)$/.exec(text)?.[1]
  if (digits === undefined) throw new Error(`the console consumer wrote ${text.slice(0, 80)}`)
  return Number(digits)
}
