import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import { isMillraceError } from '../../../../runtime/errors.ts'

const APPENDER = new URL('../../../support/embedded-appender.ts', import.meta.url).pathname

async function logDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

test('A log that another process holds is refused with its directory, its pid and what to do', async (t) => {
  const dir = await logDir(t)
  const child = spawn(process.execPath, [APPENDER, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.stdout.resume()
  await assert.rejects(createEmbeddedBroker({ dir }), (error: unknown) => {
    assert.ok(isMillraceError(error, 'FN_BROKER_LOG_IN_USE'), String(error))
    assert.deepEqual(error.detail, { dir, pid: child.pid })
    assert.match(error.message, new RegExp(`${dir} is in use by process ${child.pid}\\. Stop it`))
    return true
  })
  child.kill('SIGKILL')
  await exited
  const broker = await createEmbeddedBroker({ dir })
  t.after(() => broker.close())
  assert.equal((await broker.topics(['load'])).length, 1, 'what the killed process left is no lock')
})

test('The same process cannot open a log twice, and can again once it is closed', async (t) => {
  const dir = await logDir(t)
  const first = await createEmbeddedBroker({ dir })
  t.after(() => first.close())
  assert.equal(await readFile(join(dir, 'log.pid'), 'utf8'), `${process.pid}\n`)
  await assert.rejects(createEmbeddedBroker({ dir }), (error: unknown) =>
    isMillraceError(error, 'FN_BROKER_LOG_IN_USE'),
  )
  await first.ensureTopic('still-works')
  await first.close()
  const second = await createEmbeddedBroker({ dir })
  t.after(() => second.close())
  assert.deepEqual(await second.topics(), [{ topic: 'still-works', partitions: 4 }])
})

test('A directory that cannot be used is refused as unavailable', async (t) => {
  const dir = await logDir(t)
  const file = join(dir, 'file')
  await writeFile(file, '')
  await assert.rejects(
    createEmbeddedBroker({ dir: file }),
    (error: unknown) =>
      isMillraceError(error, 'FN_BROKER_UNAVAILABLE') && error.message.includes(`log in ${file}`),
  )
})

test('Opening and using the log prints nothing', async (t) => {
  const dir = await logDir(t)
  const broker = new URL('../../../../runtime/broker/embedded/broker.ts', import.meta.url).href
  const program = `
    const { createEmbeddedBroker } = await import(${JSON.stringify(broker)})
    const broker = await createEmbeddedBroker({ dir: ${JSON.stringify(dir)} })
    await broker.ensureTopic('quiet')
    await broker.close()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program])
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (printed += String(chunk)))
  }
  const [code] = await once(child, 'close')
  assert.deepEqual([code, printed], [0, ''])
})
