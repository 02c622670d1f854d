import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { onceAcrossProcesses, run } from '../../support/cache.ts'

test('what several ask for at once is made once', async (t) => {
  const target = join(await folder(t), 'deep', 'made')
  let made = 0
  const make = async (path: string): Promise<void> => {
    made++
    await writeFile(path, '')
  }
  await Promise.all([1, 2, 3].map(() => onceAcrossProcesses(target, make)))
  await onceAcrossProcesses(target, make)
  assert.equal(made, 1)
})

test('what could not be made is tried again by the next', async (t) => {
  const target = join(await folder(t), 'made')
  const fails = onceAcrossProcesses(target, async () => {
    throw new Error('no network')
  })
  await assert.rejects(fails, /no network/)
  await onceAcrossProcesses(target, (path) => writeFile(path, ''))
  await onceAcrossProcesses(target, async () => assert.fail('it is there'))
})

test('a command that fails is told with what it wrote', async () => {
  assert.equal(await run('printf', ['hello']), 'hello')
  await assert.rejects(run('sh', ['-c', 'echo why >&2; exit 3']), /ended with 3:\nwhy/)
})

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-cache-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}
