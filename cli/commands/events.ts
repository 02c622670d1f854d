/** `fn events`: a broker's events, from anywhere, followed. */
import { brokerTopic, parseObjectName } from '../../runtime/broker/names.ts'
import { encodeJson } from '../../runtime/codec/json-format.ts'
import { decodeRecord } from '../../runtime/codec/record.ts'
import type {
  LogRecord,
  PartitionRange,
  ReadBatch,
  TopicPartition,
} from '../../runtime/contract/broker.ts'
import type { LogReader } from '../../runtime/contract/log-access.ts'
import { isMillraceError, MillraceError } from '../../runtime/errors.ts'
import type { Command } from 'commander'
import { defineCommand, useLog, wholeNumber, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, onOneLine, print, say } from '../output.ts'

interface EventsOptions {
  broker?: string
  topic?: string
  from: string
  follow: boolean
  limit?: number
  type?: string
  json: boolean
  signal: AbortSignal
}

const READ_WAIT_MS = 500

export function eventsCommand(): Command {
  const { command, runs } = defineCommand<Omit<EventsOptions, 'signal'>>(
    'events',
    "a broker's events, from anywhere, followed",
  )
  withLogFlags(command)
    .option('--broker <namespace/name>', 'only this broker (default: all)')
    .option('--topic <name>', 'a topic by its own name: dead letters, quarantine, plain topics')
    .option(
      '--from <place>',
      'start, end, an offset, or a time such as 2026-01-31T12:00:00Z',
      'start',
    )
    .option('--type <type>', 'only events of this type')
    .option('--limit <count>', 'at most so many', wholeNumber)
    .option('--follow', 'wait for more events until Ctrl-C', false)
    .option('--json', 'one JSON object a line', false)
  return runs(async (options) => {
    const interrupt = new AbortController()
    process.once('SIGINT', () => interrupt.abort())
    return useLog({ ...options }, (access) =>
      runEvents(access, { ...options, signal: interrupt.signal }),
    )
  })
}

async function runEvents(access: LogAccess, options: EventsOptions): Promise<number> {
  const topics = await topicsToRead(access.reader, options)
  const places = await startingPlaces(access.reader, topics, options)
  let left = options.limit ?? Number.POSITIVE_INFINITY
  for await (const placed of inTimeOrder(access.reader, places)) {
    if (left === 0 || options.signal.aborted) return EXIT.done
    if (show(placed, options)) left--
  }
  if (!options.follow) return EXIT.done
  // From here on the events are shown as they come.
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, options.signal])
  if (left === 0) stop.abort()
  const following = places.map(async ({ topic, partition, end }) => {
    for await (const placed of recordsOf(access.reader, { topic, partition }, end, signal)) {
      if (signal.aborted) return
      if (show(placed, options)) left--
      if (left === 0) stop.abort()
    }
  })
  await Promise.all(following)
  return EXIT.done
}

interface PlacedRecord {
  at: TopicPartition
  record: LogRecord
}

/** What the log holds now, merged by the time of the records as far as order in a partition allows. */
async function* inTimeOrder(
  reader: LogReader,
  ranges: readonly PartitionRange[],
): AsyncGenerator<PlacedRecord> {
  const streams = ranges.map((range) => recordsUpTo(reader, range))
  const heads = await Promise.all(streams.map((stream) => stream.next()))
  for (;;) {
    let first = -1
    let earliest = Number.POSITIVE_INFINITY
    for (const [index, head] of heads.entries()) {
      if (head.done || head.value.record.timestamp >= earliest) continue
      first = index
      earliest = head.value.record.timestamp
    }
    if (first < 0) return
    yield (heads[first] as IteratorResult<PlacedRecord>).value as PlacedRecord
    heads[first] = await (streams[first] as AsyncGenerator<PlacedRecord, void>).next()
  }
}

async function* recordsUpTo(
  reader: LogReader,
  range: PartitionRange,
): AsyncGenerator<PlacedRecord, void> {
  if (range.start >= range.end) return
  for await (const placed of recordsOf(reader, range, range.start)) {
    if (placed.record.offset >= range.end) return
    yield placed
    if (placed.record.offset === range.end - 1) return
  }
}

/** Ends at the end of the log; with a signal, waits there for more until it fires. */
async function* recordsOf(
  reader: LogReader,
  at: TopicPartition,
  from: number,
  signal?: AbortSignal,
): AsyncGenerator<PlacedRecord, void> {
  let position = from
  while (!signal?.aborted) {
    let batch: ReadBatch
    try {
      batch = await reader.read(at, position, { waitMs: signal === undefined ? 0 : READ_WAIT_MS })
    } catch (error) {
      if (!isMillraceError(error, 'FN_BROKER_OFFSET_OUT_OF_RANGE')) throw error
      const [now] = await reader.ranges([at])
      if (now === undefined || now.start <= position) throw error
      say(`${at.topic}/${at.partition}: offsets ${position} to ${now.start - 1} have expired`)
      position = now.start
      continue
    }
    for (const record of batch.records) yield { at, record }
    if (batch.next === position && signal === undefined) return
    position = batch.next
  }
}

async function topicsToRead(reader: LogReader, options: EventsOptions): Promise<string[]> {
  const wanted =
    options.topic ??
    (options.broker === undefined
      ? undefined
      : brokerTopic(parseObjectName(options.broker, 'broker')))
  const known = (await reader.topics(wanted === undefined ? undefined : [wanted])).map(
    ({ topic }) => topic,
  )
  const found =
    wanted === undefined ? known.filter((topic) => topic.startsWith('knative-broker-')) : known
  // Dead letters and quarantine are not a broker's events; they are shown when named.
  const shown =
    wanted === undefined
      ? found.filter((topic) => !topic.endsWith('.dlq') && !topic.endsWith('.quarantine'))
      : found
  if (shown.length === 0) {
    throw new MillraceError(
      'FN_CLI_NOT_FOUND',
      wanted === undefined
        ? 'the log holds no broker yet; send an event first, or name a topic with --topic'
        : `there is no topic ${wanted}; check --broker NAMESPACE/NAME, or name one with --topic`,
    )
  }
  return shown
}

async function startingPlaces(
  reader: LogReader,
  topics: readonly string[],
  options: EventsOptions,
): Promise<PartitionRange[]> {
  const infos = await reader.topics(topics)
  const partitions = infos.flatMap(({ topic, partitions: count }) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
  const ranges = await reader.ranges(partitions)
  if (options.from === 'start') return ranges
  if (options.from === 'end') return ranges.map((range) => ({ ...range, start: range.end }))
  if (/^\d+$/.test(options.from)) {
    const offset = Number(options.from)
    return ranges.map((range) => ({
      ...range,
      start: Math.min(Math.max(range.start, offset), range.end),
    }))
  }
  const timeMs = Date.parse(options.from)
  if (Number.isNaN(timeMs)) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `--from ${options.from} is neither start, end, an offset nor a time such as 2026-01-31T12:00:00Z`,
    )
  }
  const offsets = await reader.offsetsAt(partitions, timeMs)
  return ranges.map((range) => {
    const at = offsets.find((one) => one.topic === range.topic && one.partition === range.partition)
    return { ...range, start: at?.offset ?? range.start }
  })
}

/** True when the record was shown. */
function show({ at, record }: PlacedRecord, options: EventsOptions): boolean {
  const line = describe(at, record, options)
  if (line !== undefined) print(line)
  return line !== undefined
}

function describe(
  { topic, partition }: TopicPartition,
  record: LogRecord,
  options: EventsOptions,
): string | undefined {
  const place = {
    topic,
    partition,
    offset: record.offset,
    timestamp: new Date(record.timestamp).toISOString(),
    key: record.key === null ? null : record.key.toString(),
  }
  try {
    const event = decodeRecord(record)
    if (options.type !== undefined && event.attributes.type !== options.type) return undefined
    const json = onOneLine(encodeJson(event).toString())
    if (options.json) return `${JSON.stringify(place).slice(0, -1)},"event":${json}}`
    const { type, id, source } = event.attributes
    const data = event.data === undefined ? '' : dataText(event.data.bytes)
    return `${place.timestamp}  ${partition}/${record.offset}  ${type}  ${id}  from ${source}  ${data}`
  } catch (error) {
    if (!isMillraceError(error)) throw error
    if (options.type !== undefined) return undefined
    const value = record.value?.toString('base64') ?? null
    if (options.json) {
      return JSON.stringify({ ...place, error: error.message, value_base64: value })
    }
    return `${place.timestamp}  ${partition}/${record.offset}  no CloudEvent: ${error.message}`
  }
}

function dataText(bytes: Buffer): string {
  const text = bytes.toString().replaceAll(/\s+/g, ' ')
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}
