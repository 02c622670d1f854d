import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openDatabase } from '../../../../runtime/broker/embedded/database.ts'
import { isMillraceError } from '../../../../runtime/errors.ts'

function logDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

test('The database syncs each commit, keeps a write-ahead log, and belongs to one process', (t) => {
  const { db, close } = openDatabase(logDir(t))
  t.after(close)
  const pragma = (name: string): unknown => db.prepare(`pragma ${name}`).get()?.[name]
  assert.equal(pragma('synchronous'), 2, 'FULL')
  assert.equal(pragma('journal_mode'), 'wal')
  assert.equal(pragma('locking_mode'), 'exclusive')
})

test('Each opening has a generation of its own', (t) => {
  const dir = logDir(t)
  const generations = [1, 2, 3].map(() => {
    const { generation, close } = openDatabase(dir)
    close()
    return generation
  })
  assert.deepEqual(generations, [1, 2, 3])
})

test('A log written by another version is refused, not read wrongly', (t) => {
  const dir = logDir(t)
  const { db, close } = openDatabase(dir)
  db.exec('pragma user_version = 99')
  close()
  assert.throws(
    () => openDatabase(dir),
    (error: unknown) =>
      isMillraceError(error, 'FN_BROKER_UNAVAILABLE') && error.message.includes('layout 99'),
  )
})
