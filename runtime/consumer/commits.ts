/** Commits the progress of all cursors that moved, each trigger to its own group. */
import type { Broker, CommitOptions, OffsetCommit } from '../contract/broker.ts'
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
  cursors: readonly Cursor[]
  fence: NonNullable<CommitOptions['fence']>
  log: Logger
}

/** Never rejects: a commit that failed is made again with the next ones. */
export async function commitProgress(options: CommitProgressOptions): Promise<void> {
  const moved = new Map<string, Array<{ cursor: Cursor; progress: Progress }>>()
  for (const cursor of options.cursors) {
    if (cursor.trouble !== undefined) continue // its place is a person's to decide
    const progress = cursor.watermark.progress()
    const isFresh = Date.now() - cursor.committedAt < REFRESH_MS
    if (isFresh && sameProgress(progress, cursor.committed)) continue
    const group = moved.get(cursor.trigger.group)
    if (group === undefined) moved.set(cursor.trigger.group, [{ cursor, progress }])
    else group.push({ cursor, progress })
  }
  await eachLimited(moved, COMMITS_AT_ONCE, async ([group, entries]) => {
    const offsets: OffsetCommit[] = entries.map(({ cursor, progress }) => ({
      topic: cursor.topic,
      partition: cursor.partition,
      ...progress,
    }))
    try {
      await options.broker.commit(group, offsets, { fence: options.fence })
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
      options.log.warn({ group, error: reason }, 'commit failed; it is made again')
    }
  })
}

function sameProgress(a: Progress, b: Progress): boolean {
  return a.offset === b.offset && a.metadata === b.metadata
}
