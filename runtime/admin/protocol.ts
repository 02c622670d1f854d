/**
 * What operator commands ask a running runtime over its Unix socket: the reading half of the broker
 * contract, and the state of the triggers. JSON over HTTP; record bytes travel as base64.
 */
import type { Broker, LogRecord, ReadBatch } from '../contract/broker.ts'
import type { CursorState } from '../contract/cursor-state.ts'

/** What operator commands need of a log; a broker has it, and so has a client of the admin socket. */
export type LogReader = Pick<Broker, 'topics' | 'read' | 'committed' | 'ranges' | 'offsetsAt'>

export const ADMIN_PATHS = {
  topics: '/v1/topics',
  read: '/v1/read',
  committed: '/v1/committed',
  ranges: '/v1/ranges',
  offsetsAt: '/v1/offsets-at',
  triggers: '/v1/triggers',
} as const

export interface TriggersAnswer {
  cursors: CursorState[]
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

function base64(value: Buffer | null): string | null {
  return value === null ? null : value.toString('base64')
}

function bytes(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'base64')
}
