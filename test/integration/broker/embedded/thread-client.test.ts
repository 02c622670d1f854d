import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogThread } from '../../../../runtime/broker/embedded/thread-client.ts'
import { isMillraceError } from '../../../../runtime/errors.ts'

function isUnavailable(error: unknown): boolean {
  return isMillraceError(error, 'FN_BROKER_UNAVAILABLE')
}

test('When the thread ends, what waits for it fails, and so does what comes later', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const thread = new LogThread()
  const waiting = thread.call('open', { dir, retentionMs: -1, retentionBytes: -1 })
  await Promise.all([assert.rejects(waiting, isUnavailable), thread.end(0)])
  await assert.rejects(thread.call('probe', {}), isUnavailable)
  assert.match(String(thread.failure), /has ended.*Start the runtime again/)
})

test('An error in the thread comes back as itself, and the thread goes on', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  const thread = new LogThread()
  t.after(async () => {
    await thread.end(0)
    await rm(dir, { recursive: true, force: true })
  })
  await assert.rejects(thread.call('probe', {}), /The embedded log is not open/)
  const opened = await thread.call('open', { dir, retentionMs: -1, retentionBytes: -1 })
  assert.deepEqual(opened, { topics: [], generation: 1 })
  const unknown = thread.call('read', { partitionId: 7, from: 0, maxBytes: 1 })
  await assert.rejects(unknown, /no partition with the id 7/)
  await thread.call('close', {})
})
