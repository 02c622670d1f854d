/**
 * What operator commands ask a running runtime over its Unix socket: the log, and what the runtime knows
 * of its triggers and its last deliveries. JSON over HTTP; record bytes travel as base64.
 */
import type {
  AppendRecord,
  AppendResult,
  Bytes,
  LogRecord,
  OffsetCommit,
  ReadBatch,
  TopicOptions,
  TopicPartition,
} from '../contract/broker.ts'
import type { CursorState } from '../contract/cursor-state.ts'
import type { DeliveryTrace } from '../contract/history.ts'
import type { WriterTransaction } from '../contract/log-access.ts'
import { isMillraceError, MillraceError, type ErrorCode } from '../errors.ts'

export const ADMIN_PATHS = {
  topics: '/v1/topics',
  read: '/v1/read',
  committed: '/v1/committed',
  ranges: '/v1/ranges',
  offsetsAt: '/v1/offsets-at',
  append: '/v1/append',
  ensureTopic: '/v1/ensure-topic',
  commit: '/v1/commit',
  transact: '/v1/transact',
  triggers: '/v1/triggers',
  deliveries: '/v1/deliveries',
  /** Answers the `Topology` that is served. */
  topology: '/v1/topology',
} as const

export interface TriggersAnswer {
  cursors: CursorState[]
}

/** One event's way to one trigger. */
export interface DeliveryQuery extends TopicPartition {
  /** `namespace/name`. */
  trigger: string
  offset: number
}

export interface DeliveriesAnswer {
  /** `null`: nothing is known of it. */
  delivery: DeliveryTrace | null
}

export interface EnsureTopicBody {
  topic: string
  options?: TopicOptions
}

export interface CommitBody {
  group: string
  offsets: OffsetCommit[]
}

export interface AppendBody {
  records: WireAppendRecord[]
}

export interface TransactBody {
  id: string
  transaction: Omit<WriterTransaction, 'records'> & AppendBody
}

export interface WireError {
  code?: ErrorCode
  message: string
  detail?: Record<string, unknown>
}

export type WireResult =
  | Extract<AppendResult, { ok: true }>
  | { ok: false; topic: string; error: WireError }

/** Strings stay strings; bytes are an object, so that both can be told apart. */
type WireBytes = string | { base64: string }

interface WireAppendRecord {
  topic: string
  key: WireBytes | null
  value: WireBytes | null
  headers: Array<[name: WireBytes, value: WireBytes | null]>
  partitionBy: WireBytes | number
  timestamp?: number
}

interface WireRecord {
  offset: number
  timestamp: number
  key: string | null
  value: string | null
  headers: Array<[name: string, value: string | null]>
}

export interface WireBatch extends Omit<ReadBatch, 'records'> {
  records: WireRecord[]
}

export function batchToWire(batch: ReadBatch): WireBatch {
  return {
    ...batch,
    records: batch.records.map((record) => ({
      offset: record.offset,
      timestamp: record.timestamp,
      key: base64(record.key),
      value: base64(record.value),
      headers: record.headers.map(([name, value]) => [name.toString('base64'), base64(value)]),
    })),
  }
}

export function batchFromWire(batch: WireBatch): ReadBatch {
  return {
    ...batch,
    records: batch.records.map((record): LogRecord => ({
      offset: record.offset,
      timestamp: record.timestamp,
      key: bytes(record.key),
      value: bytes(record.value),
      headers: record.headers.map(([name, value]) => [Buffer.from(name, 'base64'), bytes(value)]),
    })),
  }
}

export function appendToWire(record: AppendRecord): WireAppendRecord {
  const { topic, key, value, headers, partitionBy, timestamp } = record
  return {
    topic,
    key: key === null ? null : toWire(key),
    value: value === null ? null : toWire(value),
    headers: headers.map(([name, text]) => [toWire(name), text === null ? null : toWire(text)]),
    partitionBy: typeof partitionBy === 'number' ? partitionBy : toWire(partitionBy),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

export function appendFromWire(record: WireAppendRecord): AppendRecord {
  const { topic, key, value, headers, partitionBy, timestamp } = record
  return {
    topic,
    key: key === null ? null : fromWire(key),
    value: value === null ? null : fromWire(value),
    headers: headers.map(([name, text]) => [fromWire(name), text === null ? null : fromWire(text)]),
    partitionBy: typeof partitionBy === 'number' ? partitionBy : fromWire(partitionBy),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

export function errorToWire(error: unknown): WireError {
  const message = error instanceof Error ? error.message : String(error)
  return isMillraceError(error) ? { code: error.code, message, detail: error.detail } : { message }
}

export function errorFromWire({ code, message, detail }: WireError): MillraceError {
  return new MillraceError(code ?? 'FN_CLI_NOT_REACHABLE', message, detail ? { detail } : {})
}

export function resultToWire(result: AppendResult): WireResult {
  return result.ok ? result : { ...result, error: errorToWire(result.error) }
}

export function resultFromWire(result: WireResult): AppendResult {
  return result.ok ? result : { ...result, error: errorFromWire(result.error) }
}

function toWire(value: Bytes): WireBytes {
  return typeof value === 'string' ? value : { base64: value.toString('base64') }
}

function fromWire(value: WireBytes): Bytes {
  return typeof value === 'string' ? value : Buffer.from(value.base64, 'base64')
}

function base64(value: Buffer | null): string | null {
  return value === null ? null : value.toString('base64')
}

function bytes(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'base64')
}
