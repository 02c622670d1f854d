/** What the broker asks of the thread that owns the database, and what it answers. */
import type { ErrorCode } from '../../errors.ts'
import type { Frame } from './record-frame.ts'

export interface PartitionRow {
  /** The partition's number in the database, over all topics. */
  id: number
  start: number
  end: number
}

export interface TopicRow {
  topic: string
  /** In the order of their numbers within the topic. */
  partitions: PartitionRow[]
}

export interface OpenedLog {
  topics: TopicRow[]
  /** One higher each time the log is opened. */
  generation: number
}

export interface CommitRow {
  group: string
  partitionId: number
  offset: number
  metadata: string
}

export interface CommittedRow {
  offset: number
  metadata: string
}

export interface RetentionDefaults {
  /** How long records are kept where the topic does not say; -1 is for ever. */
  retentionMs: number
  /** How many bytes a partition keeps where the topic does not say; -1 is any number. */
  retentionBytes: number
}

export interface MaintenanceAnswer {
  /** Partitions whose start has moved. */
  starts: Array<{ partitionId: number; topic: string; start: number }>
  /** There is more to do: call again. */
  more: boolean
}

/** Every call: what goes to the thread and what comes back. */
export interface LogCalls {
  open: { ask: { dir: string } & RetentionDefaults; answer: OpenedLog }
  /** All of it durable when it answers, or nothing of it written when it fails. */
  write: { ask: { frame: Frame | undefined; commits: CommitRow[] }; answer: void }
  read: {
    ask: { partitionId: number; from: number; maxBytes: number }
    /** No frame: `from` is below the start. */
    answer: { frame: Frame | undefined; next: number; start: number }
  }
  ensureTopic: {
    ask: { topic: string; partitions: number; config: Record<string, string> }
    answer: TopicRow
  }
  committed: {
    ask: { group: string; partitionIds: number[] }
    answer: Array<CommittedRow | undefined>
  }
  /** The first offset at or after the time, per partition; undefined if there is none. */
  offsetsAt: {
    ask: { partitionIds: number[]; timeMs: number }
    answer: Array<number | undefined>
  }
  /** A bounded piece of retention and compaction. */
  maintain: { ask: { nowMs: number }; answer: MaintenanceAnswer }
  /** Writes as an append would, to see whether the disk takes it again. */
  probe: { ask: Record<string, never>; answer: void }
  close: { ask: Record<string, never>; answer: void }
}

export type LogCallName = keyof LogCalls

export type LogRequest = {
  [Name in LogCallName]: { id: number; name: Name; ask: LogCalls[Name]['ask'] }
}[LogCallName]

/** An error as data. */
export interface LogFault {
  message: string
  code: ErrorCode
  detail: Record<string, unknown>
}

export type LogReply =
  | { id: number; ok: true; answer: LogCalls[LogCallName]['answer'] }
  | { id: number; ok: false; fault: LogFault }
