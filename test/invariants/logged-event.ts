/** A record of the log as the checker sees it, read without any code of the product. */
import type { FunctionName } from './load-record.ts'

export interface LoggedEvent {
  partition: number
  offset: number
  /** Milliseconds since the epoch. */
  at: number
  source: string
  id: string
  type: string
  /** The record's key. */
  recordKey: string | null
  key: string
  n: number
  /** Only of a dead letter. */
  attempts?: number
  code?: string
}

/** What the log held in the end, each partition in the order of its offsets. */
export interface TopicsRead {
  events: LoggedEvent[]
  deadLetters: Record<FunctionName, LoggedEvent[]>
  /** Records that are no event of the load, or that were quarantined: where, and why. */
  strange: string[]
}

export interface RawRecord {
  topic: string
  partition: number
  offset: number
  at: number
  key: string | null
  headers: Readonly<Record<string, string>>
  value: string | null
}

/** The event, or a text that says why the record is none. */
export function loggedEvent(record: RawRecord): LoggedEvent | string {
  const where = `${record.topic}/${record.partition}/${record.offset}`
  const { ce_id: id, ce_source: source, ce_type: type } = record.headers
  if (id === undefined || source === undefined || type === undefined) {
    return `${where} has no ce_id, ce_source or ce_type`
  }
  let data: { key?: unknown; n?: unknown } | null
  try {
    data = JSON.parse(record.value ?? 'null') as typeof data
  } catch {
    return `${where} holds no JSON: ${String(record.value).slice(0, 80)}`
  }
  if (typeof data?.key !== 'string' || typeof data.n !== 'number') {
    return `${where} holds no event of the load: ${String(record.value).slice(0, 80)}`
  }
  const { partition, offset, at, key: recordKey } = record
  const event: LoggedEvent = {
    partition,
    offset,
    at,
    source,
    id,
    type,
    recordKey,
    key: data.key,
    n: data.n,
  }
  const attempts = record.headers['millrace-attempts']
  const code = record.headers['millrace-code']
  if (attempts !== undefined) event.attempts = Number(attempts)
  if (code !== undefined) event.code = code
  return event
}
