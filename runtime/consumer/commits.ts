/** Commits the progress of all cursors that moved, each trigger to its own group. */
import {
  partitionKey,
  type Assignment,
  type Broker,
  type CommitOptions,
  type Membership,
  type OffsetCommit,
} from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'
import { isMillraceError } from '../errors.ts'
import type { Cursor } from './cursor.ts'
import { eachLimited } from './limited.ts'
import type { Progress } from './watermark.ts'

const COMMITS_AT_ONCE = 8
/**
 * A position is committed again after this time even if it did not move: Kafka forgets the offsets of a
 * group without members when they are old (`offsets.retention.minutes`, seven days by default).
 */
const REFRESH_MS = 60 * 60 * 1000

export interface CommitProgressOptions {
  broker: Pick<Broker, 'commit'>
  /** Each with the partition whose owner may commit it. */
  cursors: Iterable<readonly [cursor: Cursor, owned: Assignment]>
  membership: Membership
  log: Logger
}

interface Moved {
  cursor: Cursor
  owned: Assignment
  progress: Progress
}

/** Never rejects: a commit that failed is made again with the next ones. */
export async function commitProgress(options: CommitProgressOptions): Promise<void> {
  const moved = Map.groupBy(movedCursors(options.cursors), ({ cursor }) => cursor.trigger.group)
  await eachLimited(moved, COMMITS_AT_ONCE, ([group, entries]) =>
    commitGroup(options, group, entries),
  )
}

function* movedCursors(cursors: CommitProgressOptions['cursors']): Generator<Moved> {
  for (const [cursor, owned] of cursors) {
    if (cursor.trouble !== undefined) continue // its place is a person's to decide
    const progress = cursor.watermark.progress()
    if (hasMoved(cursor, progress)) yield { cursor, owned, progress }
  }
}

/** Or has not been committed for so long that the log may forget it. */
export function hasMoved(
  { watermark, committed, committedAt }: Cursor,
  { offset, metadata }: Progress = watermark.progress(),
): boolean {
  if (Date.now() - committedAt >= REFRESH_MS) return true
  return offset !== committed.offset || metadata !== committed.metadata
}

async function commitGroup(
  { broker, membership, log }: CommitProgressOptions,
  group: string,
  entries: readonly Moved[],
): Promise<void> {
  const offsets: OffsetCommit[] = entries.map(({ cursor, progress }) => ({
    topic: cursor.topic,
    partition: cursor.partition,
    offset: progress.offset,
    metadata: progress.metadata,
  }))
  const epochs = new Map(entries.map(({ owned }) => [partitionKey(owned), owned.epoch]))
  const fence: CommitOptions['fence'] = { membership, epochs }
  try {
    await broker.commit(group, offsets, { fence })
    for (const { cursor, progress } of entries) {
      cursor.committed = progress
      cursor.committedAt = Date.now()
      cursor.commitTrouble = undefined
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    // A stale epoch is no trouble: the partition is another process's now, and so is its progress.
    if (!isMillraceError(error, 'FN_BROKER_STALE_EPOCH')) {
      for (const { cursor } of entries) cursor.commitTrouble = reason
    }
    log.warn({ group, error: reason }, 'commit failed; it is made again')
  }
}
