import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { build } from '../../../builder/build.ts'
import { readBuild } from '../../../builder/manifest-file.ts'
import { reportText, type BuildReport } from '../../../builder/report.ts'
import { projectFiles, writeFiles } from '../../support/project-files.ts'

const GOOD = functionSource('{}')

function functionSource(trigger: string): string {
  return `
    export const metadata = { triggers: [{ broker: 'events/kafka-broker', ...${trigger} }] }
    export function handler() {}
  `
}

/** `functions` maps a name to the source of `functions/NAME.ts`. */
async function buildOf(
  t: TestContext,
  functions: Record<string, string>,
): Promise<{ report: BuildReport; projectDir: string }> {
  const files = Object.entries(functions).map(([name, source]) => [`functions/${name}.ts`, source])
  const projectDir = await projectFiles(t, Object.fromEntries(files) as Record<string, string>)
  const report = await build({ projectDir, functionsDir: 'functions', outDir: 'out' })
  return { report, projectDir }
}

function onlyFailure({ failures, manifest }: BuildReport): { code: string; message: string } {
  assert.equal(manifest, undefined)
  assert.equal(failures.length, 1, failures.map(({ error }) => error.message).join('\n'))
  const [failure] = failures
  assert.ok(failure)
  return failure.error
}

test('a build writes a manifest with every default, bundles and maps', async (t) => {
  const { report, projectDir } = await buildOf(t, { b: GOOD, a: GOOD })
  assert.deepEqual(report.failures, [])
  assert.deepEqual(report.warnings, [])
  const out = path.join(projectDir, 'out')
  assert.deepEqual((await readdir(out)).sort(), [
    'a.js',
    'a.js.map',
    'b.js',
    'b.js.map',
    'manifest.json',
  ])
  const { manifest, bundles } = await readBuild(out)
  assert.deepEqual(manifest, report.manifest)
  assert.deepEqual([...bundles.keys()], ['a', 'b'])
  const [entry] = manifest.functions
  assert.equal(entry?.file, 'functions/a.ts')
  assert.deepEqual(entry?.triggers, [
    {
      namespace: 'events',
      name: 'a',
      broker: 'events/kafka-broker',
      topic: 'knative-broker-events-kafka-broker',
      group: 'knative-trigger-events-a',
      filters: [],
      ordering: 'key',
      concurrency: 64,
      startFrom: 'latest',
      delivery: {
        retry: 5,
        backoffPolicy: 'exponential',
        backoffDelayMs: 1_000,
        jitter: 0,
        timeoutMs: 30_000,
        compat: 'knative-kafka',
        onDeadLetter: 'continue',
        exactlyOnce: false,
      },
      subscriber: { kind: 'function', name: 'a' },
    },
  ])
})

test('a batch in place of a handler is taken, with the size of its batches', async (t) => {
  const source = (batch: string): string =>
    `export const metadata = { triggers: [{ broker: 'events/b' }], ${batch} }\nexport const batch = () => {}`
  const { report } = await buildOf(t, { a: source('batch: { max: 5 }'), b: source('') })
  assert.deepEqual(report.failures, [])
  assert.deepEqual(
    report.manifest?.functions.map(({ batch }) => batch),
    [{ max: 5 }, { max: 64 }],
  )
})

test('the same project in another folder gives the same files', async (t) => {
  const functions = { a: GOOD, b: `import { Drop } from 'millrace'\nthrowing(Drop)\n${GOOD}` }
  functions.b += 'function throwing(it: unknown) { globalThis.it = it }'
  const outputs = await Promise.all(
    [0, 1].map(async () => {
      const { projectDir } = await buildOf(t, functions)
      const out = path.join(projectDir, 'out')
      const names = (await readdir(out)).sort()
      return Promise.all(
        names.map(async (name) => [name, await readFile(path.join(out, name), 'utf8')]),
      )
    }),
  )
  assert.equal(outputs[0]?.length, 5)
  assert.deepEqual(outputs[0], outputs[1])
})

test('every broken function is reported, and the build before stays', async (t) => {
  const { projectDir, report: first } = await buildOf(t, { good: GOOD })
  const out = path.join(projectDir, 'out')
  await writeFiles(path.join(projectDir, 'functions'), {
    'disk.ts': `import fs from 'node:fs'\nexport const handler = () => fs`,
    'broken.ts': 'export const metadata = {\n  triggers: = 1 }',
    'bad-Name.ts': GOOD,
    'unknown.ts': GOOD.replace('triggers:', 'trigers:'),
  })
  const report = await build({ projectDir, functionsDir: 'functions', outDir: out })
  assert.equal(report.manifest, undefined)
  assert.deepEqual(
    report.failures.map(({ file, error }) => [file, error.code]),
    [
      ['functions/bad-Name.ts', 'FN_NAME_INVALID'],
      ['functions/broken.ts', 'FN_BUILD_FAILED'],
      ['functions/disk.ts', 'FN_BUILD_FORBIDDEN_IMPORT'],
      ['functions/unknown.ts', 'FN_METADATA_INVALID'],
    ],
  )
  assert.match(reportText(report), /functions\/broken\.ts:2:13: Unexpected "="/)
  assert.match(reportText(report), /functions\/disk\.ts → node:fs/)
  assert.deepEqual((await readBuild(out)).manifest, first.manifest)
})

test('an unknown key names the nearest known one', async (t) => {
  const { report } = await buildOf(t, { a: functionSource(`{ startfrom: 'earliest' }`) })
  const { code, message } = onlyFailure(report)
  assert.equal(code, 'FN_METADATA_INVALID')
  assert.match(message, /functions\/a\.ts/)
  assert.match(message, /triggers\[0\]\.startfrom is not known; did you mean "startFrom"\?/)
})

const METADATA = `export const metadata = { triggers: [{ broker: 'events/b' }] }`
const EXPORTS: Record<string, [source: string, message: RegExp]> = {
  'no handler': [METADATA, /exports no handler; it exports metadata/],
  'a handler that is no function': [
    `${METADATA}\nexport const handler = 7`,
    /handler must be a function, but its type is "number"/,
  ],
  'a batch that is no function': [
    `${METADATA}\nexport const batch = { max: 5 }`,
    /batch must be a function, but its type is "object"/,
  ],
  'both a handler and a batch': [
    `${METADATA}\nexport function handler() {}\nexport function batch() {}`,
    /exports both handler and batch; keep one/,
  ],
  'a size of batches and no batch': [
    `export const metadata = { triggers: [{ broker: 'events/b' }], batch: { max: 5 } }\nexport function handler() {}`,
    /metadata\.batch is for a function that exports batch, and this one exports handler; remove it/,
  ],
  'a default export': [
    `${METADATA}\nexport default function handler() {}`,
    /exports no handler; it exports default, metadata.*export function handler/s,
  ],
  'no metadata': ['export function handler() {}', /exports no metadata/],
  'no exports': ['const nothing = 1', /exports nothing/],
}
for (const [what, [source, message]] of Object.entries(EXPORTS)) {
  test(`a file with ${what} is refused with what was found`, async (t) => {
    const { report } = await buildOf(t, { a: source })
    const failure = onlyFailure(report)
    assert.equal(failure.code, 'FN_METADATA_INVALID')
    assert.match(failure.message, message)
    assert.match(failure.message, /functions\/a\.ts/)
  })
}

test('a file that throws when it is loaded is refused, with the line', async (t) => {
  const source = `${METADATA}\nexport function handler() {}\nconst broker = process.env.BROKER`
  const { report } = await buildOf(t, { a: source })
  const { code, message } = onlyFailure(report)
  assert.equal(code, 'FN_HANDLER_INIT')
  assert.match(message, /process is not defined/)
  assert.match(message, /functions\/a\.ts:3/)
})

test('a file that loops for ever is given up, and the others are still reported', async (t) => {
  const startedAt = performance.now()
  const { report } = await buildOf(t, {
    loops: `${METADATA}\nexport function handler() {}\nfor (;;);`,
    good: GOOD,
    wrong: GOOD.replace('triggers:', 'trigers:'),
  })
  assert.deepEqual(
    report.failures.map(({ function: name, error }) => [name, error.code]),
    [
      ['loops', 'FN_HANDLER_INIT'],
      ['wrong', 'FN_METADATA_INVALID'],
    ],
  )
  assert.match(
    report.failures[0]?.error.message ?? '',
    /ran longer than 1000 ms\n    at functions\/loops\.ts:3:/,
  )
  assert.ok(performance.now() - startedAt < 60_000)
})

test('a file that ends the worker process while it loads takes no other file along', async (t) => {
  const hungry = 'const all: number[][] = []\nfor (;;) all.push(new Array(1e6).fill(all.length))'
  const { report } = await buildOf(t, {
    'a-good': GOOD,
    hungry: `${METADATA}\nexport function handler() {}\n${hungry}`,
    'z-good': GOOD,
  })
  const { code, message } = onlyFailure(report)
  assert.equal(code, 'FN_HANDLER_INIT')
  assert.match(message, /^functions\/hungry\.ts: the function does not load: /)
})

test('triggers of two functions that would share a group are refused together', async (t) => {
  const { report } = await buildOf(t, {
    a: functionSource(`{ name: 'same' }`),
    b: functionSource(`{ name: 'same' }`),
  })
  const { code, message } = onlyFailure(report)
  assert.equal(code, 'FN_NAME_CLASH')
  assert.match(message, /events\/same of function a .*events\/same of function b/)
})

test('what is most likely not meant is a warning', async (t) => {
  const filter = `{ filter: { attributes: { type: 'a' } }, filters: [{ exact: { type: 'b' } }] }`
  const { report } = await buildOf(t, { a: functionSource(filter) })
  assert.ok(report.manifest)
  assert.match(
    report.warnings[0]?.message ?? '',
    /^functions\/a\.ts: triggers\[0\]\.filter is ignored/,
  )
})
