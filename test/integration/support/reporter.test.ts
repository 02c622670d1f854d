import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, test, type TestContext } from 'node:test'
import { REPORTED, Reporter, summaryLine, type TestEvent } from '../../support/reporter.ts'

test('a failure is told in full, with the output of its file, and counted once', async (t) => {
  const report = await reportOn(t, {
    'a.test.ts': `import { test } from 'node:test'
      console.log('said on the way')
      test('holds', () => {})
      test('breaks', () => { throw new Error('the reason') })`,
  })
  assert.equal(report.summary, '1 passed, 1 failed, 0 skipped')
  assert.match(report.text, /^FAIL a\.test\.ts {2}2 tests, 1 failed/m)
  assert.match(report.text, /✖ a\.test\.ts: breaks\n {4}Error: the reason\n {8}at /)
  assert.match(report.text, /Output of a\.test\.ts:\n {4}said on the way/)
})

test('suites are not counted, skipped tests are named with their reason', async (t) => {
  const report = await reportOn(t, {
    'a.test.ts': `import { describe, it, test } from 'node:test'
      describe('a suite', () => { it('holds', () => {}); it.todo('comes later') })
      test('asks for Kafka', { skip: 'no Java here' }, () => {})
      test('says nothing', (t) => t.skip())`,
  })
  assert.equal(report.summary, '1 passed, 0 failed, 3 skipped')
  assert.match(report.text, / {2}a\.test\.ts: asks for Kafka: no Java here\n/)
  assert.match(report.text, / {2}a\.test\.ts: says nothing: no reason given\n/)
  assert.match(report.text, / {2}a\.test\.ts: (a suite > )?comes later: to do\n/)
})

test('a suite that is skipped whole is told as a skip', async (t) => {
  const report = await reportOn(t, {
    'a.test.ts': `import { describe, it } from 'node:test'
      describe('with Kafka', { skip: 'no Java here' }, () => { it('never runs', () => {}) })`,
  })
  assert.equal(report.summary, '0 passed, 0 failed, 1 skipped')
  assert.match(report.text, / {2}a\.test\.ts: with Kafka: no Java here\n/)
})

test('a file that checks nothing, or whose process fails outside its tests, is a failure', async (t) => {
  const report = await reportOn(t, {
    'crash.test.ts': "throw new Error('at the top')",
    'empty.test.ts': 'export {}',
    'early.test.ts': "import { test } from 'node:test'; process.exit(0); test('never', () => {})",
  })
  assert.equal(report.summary, '0 passed, 3 failed, 0 skipped')
  assert.match(report.text, /✖ empty\.test\.ts: \(the file\)\n {4}No test in it ran to its end/)
  assert.match(report.text, /Output of crash\.test\.ts:[^]*at the top/)
})

test('with a pattern on names a file may have no test to run', async (t) => {
  const report = await reportOn(t, { 'empty.test.ts': 'export {}' }, { mayBeEmpty: true })
  assert.equal(report.summary, '0 passed, 0 failed, 0 skipped')
})

async function reportOn(
  t: TestContext,
  files: Record<string, string>,
  { mayBeEmpty = false } = {},
): Promise<{ text: string; summary: string }> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-reporter-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [path, content] of Object.entries(files)) await writeFile(join(root, path), content)
  let text = ''
  const write = (more: string): void => {
    text += more
  }
  const reporter = new Reporter({ root, write, mayBeEmpty })
  // Node refuses a run inside a test process unless the variable that marks one is out of the way.
  const marker = process.env['NODE_TEST_CONTEXT']
  delete process.env['NODE_TEST_CONTEXT']
  const paths = Object.keys(files).map((path) => join(root, path))
  for await (const event of run({ files: paths, cwd: root })) {
    if ((REPORTED as readonly string[]).includes(event.type)) reporter.take(event as TestEvent)
  }
  if (marker !== undefined) process.env['NODE_TEST_CONTEXT'] = marker
  reporter.end()
  return { text, summary: summaryLine(reporter.counts) }
}
