/** Keeps records that are no CloudEvents, byte for byte, with where they came from and why. */
import type { AppendRecord, AppendResult, LogRecord, TopicPartition } from '../contract/broker.ts'
import type { Logger } from '../contract/log.ts'

export const QUARANTINE_HEADERS = {
  reason: 'millrace-quarantine-reason',
  origin: 'millrace-origin',
} as const

const MAX_PAUSE_MS = 5_000

export function quarantineRecord(
  at: TopicPartition,
  record: LogRecord,
  reason: Error,
  topic: string,
): AppendRecord {
  return {
    topic,
    key: record.key,
    value: record.value,
    headers: [
      ...record.headers,
      [QUARANTINE_HEADERS.origin, `${at.topic}/${at.partition}/${record.offset}`],
      [QUARANTINE_HEADERS.reason, reason.message.slice(0, 1_000)],
    ],
    partitionBy: record.key ?? `${at.partition}/${record.offset}`,
    timestamp: record.timestamp,
  }
}

/** Resolves once the record is durable, however long that takes: it must not be lost. */
export async function keepInQuarantine(
  append: (records: AppendRecord[]) => Promise<AppendResult[]>,
  record: AppendRecord,
  log: Logger,
): Promise<void> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const [result] = await append([record])
    if (result?.ok) return
    log.error(
      { topic: record.topic, error: result?.error.message, retryInMs: pauseMs },
      'a record that is no CloudEvent could not be quarantined; its partition waits',
    )
    await new Promise((resolve) => setTimeout(resolve, pauseMs).unref())
  }
}
