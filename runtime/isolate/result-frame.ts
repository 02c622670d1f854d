/**
 * The kernel's answer → results. It comes from the side of the wall where handlers run, so every field
 * is checked; `BadFrame` means that the worker is no longer to be trusted.
 */
import type { AttributeValue, EventData } from '../contract/event.ts'
import type { LogLine, WorkReply, WorkResult } from '../contract/work.ts'
import type { Fault } from '../contract/outcome.ts'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { DATA, LEVELS, STATUS } from './kernel-protocol.ts'
import type { StackMap } from './stack-map.ts'
import { bad, isCount, isText } from './worker-answer.ts'

const ATTRIBUTE_NAME = /^[a-z0-9]+$/
const MAX_INTEGER = 2 ** 31 - 1
const MAX_REPLIES = 1_000

export interface DecodeOptions {
  /** The id of the item in flight under a slot; throws for one that is not. */
  idOf(slot: number): number
  /** A line that belongs to no event in flight. */
  line(line: LogLine): void
  stacks: StackMap
  maxReplyBytes: number
}

export function decodeResults(
  payload: Buffer,
  rowsBytes: number,
  options: DecodeOptions,
): WorkResult[] {
  if (rowsBytes > payload.length) throw bad('rows longer than their frame')
  let rows: unknown[]
  try {
    rows = JSON.parse(`[${payload.toString('utf8', 0, rowsBytes)}]`) as unknown[]
  } catch {
    throw bad('rows that are no JSON')
  }
  const texts = new Texts(payload.subarray(rowsBytes), rows)
  const results: WorkResult[] = []
  for (const row of rows) {
    const result = resultOf(row as unknown[], texts, options)
    if (result !== undefined) results.push(result)
  }
  return results
}

/** The data texts, handed out one after another. */
class Texts {
  readonly #bytes: Buffer
  /** Only where a character is not one byte; then lengths do not count bytes. */
  readonly #text: string | undefined
  #at = 0

  constructor(bytes: Buffer, rows: readonly unknown[]) {
    this.#bytes = bytes
    const units = sumOfUnits(rows)
    if (units !== bytes.length) {
      this.#text = bytes.toString('utf8')
      if (this.#text.length !== units) throw bad('data texts of another length than told')
    }
  }

  next(units: number): Buffer {
    const start = this.#at
    this.#at += units
    return this.#text === undefined
      ? this.#bytes.subarray(start, this.#at)
      : Buffer.from(this.#text.slice(start, this.#at))
  }
}

function sumOfUnits(rows: readonly unknown[]): number {
  let sum = 0
  for (const row of rows) {
    if (!Array.isArray(row)) throw bad('a row that is no array')
    if (row[0] !== STATUS.done) continue
    const replies: unknown = row[4]
    if (!Array.isArray(replies) || replies.length > MAX_REPLIES)
      throw bad('replies that are no list')
    for (const reply of replies as unknown[]) {
      if (!Array.isArray(reply) || !isCount(reply[2])) throw bad('a reply without a length')
      sum += reply[2]
    }
  }
  return sum
}

function resultOf(
  row: readonly unknown[],
  texts: Texts,
  options: DecodeOptions,
): WorkResult | undefined {
  if (row[0] === STATUS.line) {
    options.line(lineOf(row.slice(1)))
    return undefined
  }
  if (!isCount(row[1])) throw bad('a row without a slot')
  const id = options.idOf(row[1])
  if (row[0] === STATUS.again) return { id, status: 'again', suspect: row[2] === 1 }
  const durationMs = row[2]
  if (typeof durationMs !== 'number') throw bad('a row without a duration')
  const logs = logsOf(row[3])
  switch (row[0]) {
    case STATUS.done: {
      const replies = (row[4] as unknown[][]).map((reply) => replyOf(reply, texts))
      const fault = tooLarge(replies, options.maxReplyBytes)
      if (fault !== undefined) return { id, status: 'failed', fault, logs, durationMs }
      return { id, status: 'done', replies, logs, durationMs }
    }
    case STATUS.dropped:
      if (!isText(row[4])) throw bad('a row without a reason')
      return { id, status: 'dropped', reason: row[4], logs, durationMs }
    case STATUS.failed: {
      const fault = options.stacks.fault(faultOf(row))
      return { id, status: 'failed', fault, logs, durationMs }
    }
    default:
      throw bad('a row of no known status')
  }
}

function replyOf(reply: readonly unknown[], texts: Texts): WorkReply {
  const [attributes, kind, units] = reply
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw bad('a reply without attributes')
  }
  for (const name of Object.keys(attributes)) {
    const value = (attributes as Record<string, unknown>)[name]
    if (!ATTRIBUTE_NAME.test(name) || !isAttributeValue(value)) {
      throw bad('an attribute that CloudEvents does not know')
    }
  }
  const { type } = attributes as { type?: unknown }
  if (typeof type !== 'string' || type === '') throw bad('a reply without a type')
  return {
    attributes: attributes as WorkReply['attributes'],
    data: dataOf(kind, texts.next(units as number)),
  }
}

function isAttributeValue(value: unknown): value is AttributeValue {
  if (typeof value === 'string' || typeof value === 'boolean') return true
  return Number.isInteger(value) && Math.abs(value as number) <= MAX_INTEGER + 1
}

function dataOf(kind: unknown, bytes: Buffer): EventData | undefined {
  switch (kind) {
    case DATA.none:
      return undefined
    case DATA.json:
      return { kind: 'json', bytes }
    case DATA.text:
      return { kind: 'text', bytes }
    case DATA.base64:
      return { kind: 'binary', bytes: Buffer.from(bytes.toString('latin1'), 'base64') }
    default:
      throw bad('data of no known kind')
  }
}

function tooLarge(replies: readonly WorkReply[], maxReplyBytes: number): Fault | undefined {
  const index = replies.findIndex((reply) => (reply.data?.bytes.length ?? 0) > maxReplyBytes)
  if (index < 0) return undefined
  return {
    code: 'FN_HANDLER_REPLY_TOO_LARGE',
    class: 'ReplyTooLarge',
    message: `reply ${index} has ${replies[index]?.data?.bytes.length} bytes of data; ${maxReplyBytes} are possible`,
  }
}

function logsOf(logs: unknown): LogLine[] {
  if (!Array.isArray(logs)) throw bad('a row without log lines')
  return logs.length === 0 ? [] : (logs as unknown[][]).map(lineOf)
}

function lineOf(line: readonly unknown[]): LogLine {
  const level = LEVELS[line[0] as number]
  if (level === undefined || !isText(line[1])) throw bad('a log line that is none')
  return { level, message: line[1] }
}

function faultOf(row: readonly unknown[]): Fault {
  const [, , , , code, errorClass, message, stack, retryAfterMs] = row
  if (!isText(code) || !Object.hasOwn(ERRORS, code)) throw bad('a fault of no known code')
  if (!isText(errorClass) || !isText(message) || !isText(stack)) throw bad('a fault without texts')
  const fault: Fault = { code: code as ErrorCode, class: errorClass, message, stack }
  if (typeof retryAfterMs === 'number' && retryAfterMs >= 0) fault.retryAfterMs = retryAfterMs
  return fault
}
