import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, test, type TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { FileLimit, isFollowed } from '../../support/file-limit.ts'
import { isAlive } from '../../support/watched-program.ts'
import { REPORTED, Reporter, summaryLine, type TestEvent } from '../../support/reporter.ts'

/** Writes down its pid, holds the output of who starts it, and does not end by itself. */
const CHILD = 'echo $$ > written && mv written child; while :; do sleep 0.1; done'

test('a file that spins is killed with what it started, and the others go on', async (t) => {
  const spinning = {
    'a.test.ts': `import { spawn } from 'node:child_process'
      import { test } from 'node:test'
      test('holds', () => {})
      test('spins', async () => {
        spawn('sh', ['-c', ${JSON.stringify(CHILD)}], { cwd: import.meta.dirname, stdio: 'inherit' })
        // Lets out what this process has to tell.
        for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve))
        for (;;) await null
      })`,
    'b.test.ts': "import { test } from 'node:test'; test('holds too', () => {})",
  }
  let child = 0
  const report = await reportOn(t, spinning, async (root, seen) => {
    await eventually(() => seen.has('test:dequeue spins'), 'it spins')
    const pid = await eventually(() => readFile(join(root, 'child'), 'utf8'), 'its child runs')
    child = Number(pid)
  })
  assert.equal(report.summary, '2 passed, 1 failed, 0 skipped')
  const reason = 'It ran for more than 600 s and was killed. It was in: spins.'
  assert.match(report.text, new RegExp(`^KILL a\\.test\\.ts {2}${reason}$`, 'm'))
  assert.match(report.text, new RegExp(`✖ a\\.test\\.ts: \\(the file\\)\n {4}${reason}`))
  await eventually(() => !isAlive(child), 'its child is gone')
})

test('a file is killed whose tests are done and whose process stays', async (t) => {
  const staying = {
    'a.test.ts': `import { test } from 'node:test'
      process.on('SIGTERM', () => {})
      test('leaves a timer', () => { setInterval(() => {}, 1_000) })`,
  }
  const report = await reportOn(t, staying, async (_, seen) => {
    await eventually(() => seen.has('test:pass leaves a timer'), 'its test is done')
  })
  assert.equal(report.summary, '1 passed, 1 failed, 0 skipped')
  assert.match(report.text, /\(the file\)\n {4}It ran for more than 600 s and was killed\.\n/)
})

test('the time of a file begins with its own process', async (t) => {
  const waits = `import { test } from 'node:test'
    test('waits for ever', () => new Promise(() => setInterval(() => {}, 1_000)))`
  const began = performance.now()
  const files = { 'a.test.ts': waits, 'b.test.ts': waits }
  const report = await reportOn(t, files, 1_000)
  assert.equal(report.summary, '0 passed, 2 failed, 0 skipped')
  assert.ok(performance.now() - began >= 2_000)
})

/** Runs the files one after another; the first is ended when `until` resolves, or each by its limit. */
async function reportOn(
  t: TestContext,
  files: Record<string, string>,
  until: number | ((root: string, seen: ReadonlySet<string>) => Promise<void>),
): Promise<{ text: string; summary: string }> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-file-limit-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [path, content] of Object.entries(files)) await writeFile(join(root, path), content)
  const paths = Object.keys(files).map((path) => join(root, path))
  let text = ''
  const write = (more: string): void => {
    text += more
  }
  const reporter = new Reporter({ root, write, mayBeEmpty: false })
  const limit = new FileLimit({
    limitMs: typeof until === 'number' ? until : 600_000,
    ending: (file, reason) => reporter.ending(file, reason),
  })
  // Node refuses a run inside a test process unless the variable that marks one is out of the way.
  const marker = process.env['NODE_TEST_CONTEXT']
  delete process.env['NODE_TEST_CONTEXT']
  const events = run({ files: paths, cwd: root, concurrency: 1 })
  if (marker !== undefined) process.env['NODE_TEST_CONTEXT'] = marker
  const seen = new Set<string>()
  if (typeof until === 'function') {
    void until(root, seen).then(() => limit.end(paths[0] as string))
  }
  for await (const event of events) {
    if (isFollowed(event)) limit.take(event)
    if ((REPORTED as readonly string[]).includes(event.type)) reporter.take(event as TestEvent)
    if ('name' in event.data) seen.add(`${event.type} ${event.data.name}`)
  }
  reporter.end()
  return { text, summary: summaryLine(reporter.counts) }
}
