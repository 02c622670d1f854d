import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { importsFile, selectTests, type Phase } from '../../support/discover.ts'

const PHASES: readonly Phase[] = [
  { name: 'unit', globs: ['test/unit/**/*.test.ts', 'functions/**/*.test.ts'], concurrency: 2 },
  { name: 'e2e', globs: ['test/e2e/**/*.test.ts'], concurrency: 1 },
]

test('without arguments every test file is found, by phase', async (t) => {
  const root = await projectWith(t, {
    'test/unit/a.test.ts': '',
    'test/unit/deep/b.test.ts': '',
    'functions/c.test.ts': '',
    'functions/c.ts': '',
    'test/support/d.ts': '',
    'test/e2e/e.test.ts': '',
  })
  assert.deepEqual(select(root, []), {
    files: [
      'unit: functions/c.test.ts',
      'unit: test/unit/a.test.ts',
      'unit: test/unit/deep/b.test.ts',
      'e2e: test/e2e/e.test.ts',
    ],
    namePatterns: [],
  })
})

test('an argument that is part of a path picks files, any other is the name of a test', async (t) => {
  const root = await projectWith(t, { 'test/unit/a.test.ts': '', 'test/e2e/b.test.ts': '' })
  assert.deepEqual(select(root, ['e2e/b']), {
    files: ['e2e: test/e2e/b.test.ts'],
    namePatterns: [],
  })
  assert.deepEqual(select(root, ['unit', 'says hello']), {
    files: ['unit: test/unit/a.test.ts'],
    namePatterns: ['says hello'],
  })
})

test('an import is found through other files, in a circle too, and not in a comment', async (t) => {
  const root = await projectWith(t, {
    'kafka.ts': '',
    'near.ts': "import { startKafka } from './kafka.ts'",
    'circle.ts': "export { x } from './far.ts'",
    'far.ts': "import './circle.ts'\nconst near = await import('./near.ts')",
    'none.ts': "// kafka.ts\nimport 'node:fs'\nimport './missing.ts'",
  })
  const finds = (file: string): boolean => importsFile(join(root, file), join(root, 'kafka.ts'))
  assert.equal(finds('near.ts'), true)
  assert.equal(finds('far.ts'), true)
  assert.equal(finds('none.ts'), false)
})

function select(root: string, args: string[]): { files: string[]; namePatterns: string[] } {
  const { selections, namePatterns } = selectTests(root, PHASES, args)
  const files = selections.flatMap(({ phase, files }) =>
    files.map((file) => `${phase.name}: ${file.slice(root.length + 1)}`),
  )
  return { files, namePatterns }
}

async function projectWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-discover-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}
