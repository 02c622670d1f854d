/** `fn dlq list` and `fn dlq show`: dead letters, read from their topics. */
import { encodeJson } from '../../runtime/codec/json-format.ts'
import { decodeRecord } from '../../runtime/codec/record.ts'
import type { LogRecord, TopicPartition } from '../../runtime/contract/broker.ts'
import { DEAD_LETTER_HEADERS } from '../../runtime/dlq/dead-letter.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { Command } from 'commander'
import { defineCommand, useLog, wholeNumber, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, onOneLine, print } from '../output.ts'

interface DlqListOptions {
  function?: string
  type?: string
  limit?: number
  json: boolean
}

interface DeadLetterLine {
  ref: string
  trigger: string
  function: string
  id: string
  source: string
  type: string
  code: string
  attempts: number
  firstAt: string
  lastAt: string
  error: { class: string; message: string }
}

export function dlqCommand(): Command {
  return new Command('dlq')
    .description('dead letters: events whose retries are used up')
    .addCommand(listCommand())
    .addCommand(showCommand())
}

function listCommand(): Command {
  const { command, runs } = defineCommand<DlqListOptions>(
    'list',
    'the dead letters of all triggers',
  )
  withLogFlags(command)
    .option('--function <name>', 'only of this function')
    .option('--type <type>', 'only events of this type')
    .option('--limit <count>', 'at most so many', wholeNumber)
    .option('--json', 'one JSON object a line', false)
  return runs((options) => useLog({ ...options }, (access) => runDlqList(access, options)))
}

function showCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean }>(
    'show',
    'one dead letter: the event, the error, its stack',
  )
  withLogFlags(command)
    .argument('<ref>', 'topic/partition/offset, as fn dlq list prints it')
    .option('--json', 'one JSON object', false)
  return runs((options, [ref]) =>
    useLog({ ...options }, (access) =>
      runDlqShow(access, { ref: ref as string, json: options.json }),
    ),
  )
}

async function runDlqList(access: LogAccess, options: DlqListOptions): Promise<number> {
  let left = options.limit ?? Number.POSITIVE_INFINITY
  for await (const [at, record] of deadLetters(access)) {
    if (left <= 0) break
    const line = describe(at, record)
    if (options.function !== undefined && line.function !== options.function) continue
    if (options.type !== undefined && line.type !== options.type) continue
    left--
    print(options.json ? JSON.stringify(line) : readable(line))
  }
  return EXIT.done
}

/** `ref` as the list prints it: `topic/partition/offset`. */
async function runDlqShow(
  access: LogAccess,
  options: { ref: string; json: boolean },
): Promise<number> {
  const { at, offset } = parseRef(options.ref)
  const batch = await access.reader.read(at, offset)
  const record = batch.records.find((one) => one.offset === offset)
  if (record === undefined) {
    throw new MillraceError(
      'FN_CLI_NOT_FOUND',
      `there is no dead letter ${options.ref}; fn dlq list shows those that are there`,
    )
  }
  const line = describe(at, record)
  const stack = header(record, DEAD_LETTER_HEADERS.stack)
  const event = onOneLine(encodeJson(decodeRecord(record)).toString())
  if (options.json) {
    print(`${JSON.stringify({ ...line, stack: stack ?? null }).slice(0, -1)},"event":${event}}`)
    return EXIT.done
  }
  print(readable(line))
  print(`from ${header(record, DEAD_LETTER_HEADERS.origin) ?? 'unknown'}`)
  if (stack !== undefined) print(stack)
  print(event)
  return EXIT.done
}

async function* deadLetters({ reader }: LogAccess): AsyncGenerator<[TopicPartition, LogRecord]> {
  const topics = (await reader.topics()).filter(({ topic }) => topic.endsWith('.dlq'))
  for (const { topic, partitions } of topics) {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    for (const range of await reader.ranges(all)) {
      for (let position = range.start; position < range.end;) {
        const batch = await reader.read(range, position)
        for (const record of batch.records) yield [range, record]
        if (batch.next === position) break
        position = batch.next
      }
    }
  }
}

function describe(at: TopicPartition, record: LogRecord): DeadLetterLine {
  const { id, source, type } = decodeRecord(record).attributes
  const text = (name: string): string => header(record, name) ?? ''
  return {
    ref: `${at.topic}/${at.partition}/${record.offset}`,
    trigger: text(DEAD_LETTER_HEADERS.trigger),
    function: text(DEAD_LETTER_HEADERS.function),
    id,
    source,
    type,
    code: text(DEAD_LETTER_HEADERS.code),
    attempts: Number(text(DEAD_LETTER_HEADERS.attempts)),
    firstAt: text(DEAD_LETTER_HEADERS.firstAt),
    lastAt: text(DEAD_LETTER_HEADERS.lastAt),
    error: {
      class: text(DEAD_LETTER_HEADERS.class),
      message: text(DEAD_LETTER_HEADERS.message),
    },
  }
}

function header(record: LogRecord, name: string): string | undefined {
  return record.headers.find(([key]) => key.toString() === name)?.[1]?.toString()
}

function parseRef(ref: string): { at: TopicPartition; offset: number } {
  const parts = /^(.+)\/(\d+)\/(\d+)$/.exec(ref)
  if (parts === null) {
    throw new MillraceError('FN_CLI_USAGE', `"${ref}" is not of the form topic/partition/offset`)
  }
  return {
    at: { topic: parts[1] as string, partition: Number(parts[2]) },
    offset: Number(parts[3]),
  }
}

function readable(line: DeadLetterLine): string {
  return `${line.ref}  ${line.function}  ${line.type}  ${line.id}  ${line.code} after ${line.attempts} attempt${line.attempts === 1 ? '' : 's'}: ${line.error.class}: ${line.error.message}`
}
