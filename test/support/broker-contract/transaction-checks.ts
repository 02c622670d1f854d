import assert from 'node:assert/strict'
import type { Broker, TopicPartition } from '../../../runtime/contract/broker.ts'
import { isMillraceError, type ErrorCode } from '../../../runtime/errors.ts'
import { eventually } from '../eventually.ts'
import { readToEnd, textsOf } from './reading.ts'

export async function rejects(running: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(running, (error: unknown) => {
    assert.ok(isMillraceError(error, code), `${String(error)} instead of ${code}`)
    return true
  })
}

/** A transaction is committed a moment before readers see it: wait for as many records, then compare. */
export async function shows(
  broker: Broker,
  at: TopicPartition,
  texts: readonly string[],
): Promise<void> {
  const found = await eventually(async () => {
    const records = await readToEnd(broker, at)
    return records.length >= texts.length && textsOf(records)
  }, `${texts.length} records in ${at.topic}/${at.partition}`)
  assert.deepEqual(found, texts)
}

export async function stableOffset(
  broker: Broker,
  group: string,
  at: TopicPartition,
): Promise<number | undefined> {
  const [committed] = await broker.committed(group, [at], { stable: true })
  return committed?.offset
}
