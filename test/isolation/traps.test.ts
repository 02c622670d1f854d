/** Traps of isolated-vm that were seen to break a host (isolation notes, section 4.5). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'
import {
  bundleOf,
  workerPids,
  itemOf,
  keepingLogger,
  manifestOf,
  openFunction,
  openOne,
  rssMiB,
} from '../support/isolate.ts'

test('1,000 replies of 500 KB leave neither the worker nor the supervisor larger', async (t) => {
  const before = new Set(workerPids())
  const one = await openOne(
    t,
    `const text = 'x'.repeat(500_000)
     export const handler = () => ({ type: 'large', data: { text } })`,
  )
  const [pid = 0] = workerPids().filter((child) => !before.has(child))
  const supervisorBefore = rssMiB(process.pid)
  for (let round = 0; round < 250; round++) {
    const results = await one.run(Array.from({ length: 4 }, () => itemOf('x')))
    assert.ok(results.every(({ status }) => status === 'done'))
  }
  assert.ok(rssMiB(pid) < 220, `the worker has ${rssMiB(pid)} MiB`)
  assert.ok(rssMiB(process.pid) - supervisorBefore < 200)
})

test('many inboxes of 200 KB do not pile up outside the heap', async (t) => {
  const one = await openOne(t, `export const handler = () => {}`, { memoryMiB: 32 })
  const text = 'x'.repeat(2_000)
  for (let round = 0; round < 200; round++) {
    const results = await one.run(
      Array.from({ length: 100 }, () => itemOf('x', { data: { text } })),
    )
    assert.ok(results.every(({ status }) => status === 'done'))
  }
  const replaced = one.lines.filter(({ message }) => /isolate (lost|replaced)/.test(message))
  assert.deepEqual(replaced, [])
})

test('work that keeps coming while a pump runs waits for it: one call in flight an isolate', async (t) => {
  const one = await openOne(
    t,
    `let depth = 0
     export async function handler() {
       const seen = ++depth
       const made = Array.from({ length: 200 }, (_, n) => ({ n }))
       await null
       depth--
       return { type: 'seen', depth: seen, made: made.length }
     }`,
  )
  const rounds = Array.from({ length: 400 }, () => one.run([itemOf('x'), itemOf('x')]))
  for (const results of await Promise.all(rounds)) {
    assert.ok(results.every(({ status }) => status === 'done'))
  }
  // Two calls at once end in a false "memory limit" after some hundred of them.
  assert.ok(!one.lines.some(({ message }) => /isolate lost/.test(message)))
})

test('a pool with a stuck isolate closes all the same', async () => {
  const code = await bundleOf(
    `export const handler = () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)`,
  )
  const others = new Set(workerPids())
  const log = keepingLogger([])
  const pool = await createIsolatePool({ isolation: 'dedicated', log, maxReplyBytes: 1_000 })
  const opened = await openFunction(pool, manifestOf('test', 'stuck', { cpuMs: 60_000 }), code)
  const result = opened.one(itemOf('x'))
  const startedAt = performance.now()
  await pool.close()
  assert.ok(performance.now() - startedAt < 10_000)
  assert.equal((await result).status, 'again')
  assert.deepEqual(
    workerPids().filter((pid) => !others.has(pid)),
    [],
  )
})

test('after a timeout a fresh isolate takes over: leftovers of the old one never run', async (t) => {
  const one = await openOne(
    t,
    `let runs = 0
     export function handler(event) {
       runs++
       if (event.type === 'loop') for (;;) void Promise.resolve().then(() => { for (;;); })
       return { type: 'ran', runs }
     }`,
  )
  await one.toEnd(itemOf('count'))
  assert.equal((await one.toEnd(itemOf('loop'))).status, 'failed')
  const result = await one.one(itemOf('count'))
  assert.equal(result.status === 'done' && result.replies[0]?.attributes['runs'], 1)
})

test('a worker has no environment, no files and one open door', async (t) => {
  const before = new Set(workerPids())
  await openOne(t, `export const handler = () => {}`)
  const [pid] = workerPids().filter((child) => !before.has(child))
  assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  assert.ok(command.includes('--permission'))
  assert.equal(command.filter((arg) => arg.startsWith('--allow-fs')).length, 1)
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '900')
})

test('the supervisor never loads isolated-vm', async (t) => {
  await openOne(t, `export const handler = () => {}`)
  assert.doesNotMatch(readFileSync('/proc/self/maps', 'utf8'), /isolated-vm/)
})
