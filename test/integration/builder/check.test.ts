import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkProject, type CheckReport } from '../../../builder/check.ts'
import { projectFiles } from '../../support/project-files.ts'
import { compiled, ref, resourceText } from '../../support/resources.ts'

const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url))

async function checkOf(
  t: TestContext,
  source: string,
  { typescript = true, files = {} } = {},
): Promise<CheckReport> {
  const projectDir = await projectFiles(t, { 'functions/a.ts': source, ...files })
  if (typescript) await symlink(MODULES, path.join(projectDir, 'node_modules'))
  return checkProject({ projectDir, functionsDir: 'functions' })
}

const TYPED = `
import type { CloudEvent, FunctionMetadata } from 'millrace'
export const metadata = {
  triggers: [{ broker: 'events/b', filters: [{ exact: { type: 'first' } }] }],
} satisfies FunctionMetadata
export function handler(event: CloudEvent<{ n: number }>) {
  return { type: 'next', data: event.data.n + 1 }
}
`

test('a right function gives nothing to say, with the package installed or not', async (t) => {
  assert.deepEqual(await checkOf(t, TYPED), { findings: [], notes: [] })
})

test('a wrong type is found with its place', async (t) => {
  const { findings } = await checkOf(t, TYPED.replace('event.data.n', 'event.data.m'))
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['types'],
  )
  assert.match(findings[0]?.message ?? '', /^functions\/a\.ts\(7,\d+\): error TS2339: .*'m'/)
})

test('what Node has and an isolate has not is a wrong type', async (t) => {
  const { findings } = await checkOf(t, `${TYPED}\nexport const later = () => process.env`)
  assert.match(findings[0]?.message ?? '', /Cannot find name 'process'/)
})

test('an unknown key of the metadata is found by the types and by the build', async (t) => {
  const { findings } = await checkOf(t, TYPED.replace(`broker: 'events/b'`, `$&, startfrom: 'x'`))
  assert.deepEqual(
    findings.map(({ kind, function: name }) => [kind, name]),
    [
      ['build', 'a'],
      ['types', undefined],
    ],
  )
})

test("the project's own tsconfig is obeyed", async (t) => {
  const source = `${TYPED}\nexport function unused(what: string) {}`
  const config = '{"compilerOptions":{"strict":true,"noUnusedParameters":true,"module":"nodenext"}}'
  const { findings } = await checkOf(t, source, { files: { 'tsconfig.json': config } })
  assert.match(findings[0]?.message ?? '', /TS6133/)
})

test('a project without TypeScript is told that types are not checked', async (t) => {
  const { findings, notes } = await checkOf(t, TYPED, { typescript: false })
  assert.deepEqual(findings, [])
  assert.match(notes.join(), /types are not checked: .* has no typescript/)
})

test('a filter that no event can match is found', async (t) => {
  const filters = `filters: [{ exact: { type: 'a' } }, { prefix: { type: 'b' } }]`
  const { findings } = await checkOf(
    t,
    TYPED.replace(`filters: [{ exact: { type: 'first' } }]`, filters),
  )
  assert.deepEqual(
    findings.map(({ kind, function: name }) => [kind, name]),
    [['advice', 'a']],
  )
  assert.match(
    findings[0]?.message ?? '',
    /^functions\/a\.ts: trigger events\/a: no event can match/,
  )
})

/** A function that replies with `reply` to what `filters` let through. */
function replier(filters: string, reply: string): string {
  return `
    export const metadata = { triggers: [{ broker: 'events/b', filters: [${filters}] }] }
    export function handler(event) { return ${reply} }
  `
}

async function adviceOn(t: TestContext, sources: Record<string, string>): Promise<string[]> {
  const files = Object.entries(sources).map(([name, source]) => [`functions/${name}.ts`, source])
  const projectDir = await projectFiles(t, Object.fromEntries(files) as Record<string, string>)
  const { findings } = await checkProject({ projectDir, functionsDir: 'functions' })
  assert.ok(findings.every(({ kind }) => kind === 'advice'))
  return findings.map(({ message }) => message)
}

test('a reply that comes back to its own function is found, with the place and what to do', async (t) => {
  const [found, ...more] = await adviceOn(t, {
    a: replier(`{ prefix: { type: 'order.' } }`, `{ type: 'order.seen', data: event.data }`),
  })
  assert.deepEqual(more, [])
  assert.match(
    found ?? '',
    /^functions\/a\.ts:3: a reply of type "order\.seen" matches its own trigger, events\/a, so .*255.*\{ not: \{ exact: \{ source: '\/events\/functions\/a' \} \} \}$/,
  )
})

test('the filter that the finding names silences it', async (t) => {
  const filter = `{ not: { exact: { source: '/events/functions/a' } } }`
  assert.deepEqual(await adviceOn(t, { a: replier(filter, `{ type: 'order.seen' }`) }), [])
})

test('what a filter asks of the data cannot be known: the reply may come back', async (t) => {
  const [found] = await adviceOn(t, {
    a: replier(`{ data: { amount: { gte: 100 } } }`, `{ type: 'x', data: event.data }`),
  })
  assert.match(
    found ?? '',
    /may match its own trigger, events\/a \(it depends on data\.amount\.gte\)/,
  )
})

test('functions that answer each other in a circle are found, the circle once', async (t) => {
  const [found, ...more] = await adviceOn(t, {
    a: replier(`{ exact: { type: 'one' } }`, `{ type: 'two' }`),
    b: replier(`{ exact: { type: 'two' } }`, `{ type: 'three' }`),
    c: replier(`{ exact: { type: 'three' } }`, `event.again ? { type: 'one' } : { type: 'end' }`),
    d: replier(`{ exact: { type: 'end' } }`, `{ type: 'over' }`),
  })
  assert.deepEqual(more, [])
  assert.match(
    found ?? '',
    /^functions\/a\.ts:3 replies with "two", which matches the trigger events\/b of functions\/b\.ts; functions\/b\.ts:3 replies with "three", .*events\/c.*; functions\/c\.ts:3 replies with "one", which matches the trigger events\/a of functions\/a\.ts: they answer each other in a circle/,
  )
})

test('a function whose triggers stand in YAML is checked with them', async (t) => {
  const source = TYPED.replace(/triggers: .*\n/, '')
  const projectDir = await projectFiles(t, { 'functions/a.ts': source })
  await symlink(MODULES, path.join(projectDir, 'node_modules'))
  const dirs = { projectDir, functionsDir: 'functions' }
  const alone = await checkProject(dirs)
  assert.deepEqual(
    alone.findings.map(({ message }) => message.slice(0, 40)),
    ['functions/a.ts: no trigger names it, so '],
  )
  const yaml = (type: string) =>
    resourceText(
      'Trigger',
      't',
      `  broker: b\n  subscriber: ${ref('Service', 'a')}\n  filter: { attributes: { type: ${type} } }`,
    )
  const taken = await checkProject(dirs, () => compiled(yaml('first'), { named: ['a'] }).topology)
  assert.deepEqual(taken.findings, [])
  const circle = await checkProject(dirs, () => compiled(yaml('next'), { named: ['a'] }).topology)
  assert.match(
    circle.findings.map(({ message }) => message).join(),
    /^functions\/a\.ts:\d+: a reply of type "next" matches its own trigger, events\/t, so the/,
  )
})
