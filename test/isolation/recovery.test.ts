/** Workers that die or fall silent by themselves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workerPids, itemOf, openOne, type LoggedLine } from '../support/isolate.ts'

const REPLIES = `export const handler = () => ({ type: 'fine' })`
const WAITS = `export const handler = () => new Promise((resolve) => setTimeout(resolve, 60_000))`

/** A fraction of a second, with room for a slow and busy machine. */
const SOON_MS = 10_000

/** The worker of the function that `open` opens. */
async function workerOf<Opened>(open: () => Promise<Opened>): Promise<[Opened, pid: number]> {
  const before = new Set(workerPids())
  const opened = await open()
  const [pid] = workerPids().filter((child) => !before.has(child))
  assert.ok(pid !== undefined)
  return [opened, pid]
}

function ends(lines: readonly LoggedLine[]): unknown[] {
  return lines.map(({ fields }) => fields['end']).filter((end) => end !== undefined)
}

test('an idle worker that is killed comes back, and the next event is done', async (t) => {
  const [one, pid] = await workerOf(() => openOne(t, REPLIES))
  process.kill(pid, 'SIGKILL')
  const startedAt = performance.now()
  assert.equal((await one.toEnd(itemOf('x'))).status, 'done')
  assert.ok(performance.now() - startedAt < SOON_MS)
  assert.deepEqual(ends(one.lines), ['exited'])
})

test('work in flight in a worker that is killed comes back, under suspicion', async (t) => {
  const [one, pid] = await workerOf(() => openOne(t, WAITS))
  const result = one.one(itemOf('x', { timeoutMs: 60_000 }))
  process.kill(pid, 'SIGKILL')
  const lost = await result
  assert.equal(lost.status === 'again' && lost.suspect, true)
  assert.deepEqual(one.runner.inFlight(), { items: 0, bytes: 0 })
})

test('a worker that no longer answers is killed, and another one takes its place', async (t) => {
  const [one, pid] = await workerOf(() => openOne(t, REPLIES))
  process.kill(pid, 'SIGSTOP')
  assert.equal((await one.one(itemOf('x'))).status, 'again')
  assert.deepEqual(ends(one.lines), ['silent'])
  assert.equal((await one.toEnd(itemOf('x'))).status, 'done')
})
