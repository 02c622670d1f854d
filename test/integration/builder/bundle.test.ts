import assert from 'node:assert/strict'
import { SourceMap } from 'node:module'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import vm from 'node:vm'
import { bundleFunction, MODULE_GLOBAL, type Bundle } from '../../../builder/bundle.ts'
import { isMillraceError, type MillraceError } from '../../../runtime/errors.ts'
import { projectFiles } from '../../support/project-files.ts'

const DEPENDENCY = {
  'node_modules/greeter/package.json': '{"name":"greeter","main":"index.js"}',
  'node_modules/greeter/index.js': 'exports.greet = (name) => `hello ${name}`',
}

async function bundleOf(
  t: TestContext,
  source: string,
  files: Record<string, string> = {},
): Promise<Bundle> {
  const projectDir = await projectFiles(t, { 'functions/a.ts': source, ...files })
  return bundleFunction(path.join(projectDir, 'functions/a.ts'), { projectDir })
}

async function refusalOf(
  t: TestContext,
  source: string,
  files?: Record<string, string>,
): Promise<MillraceError> {
  try {
    await bundleOf(t, source, files)
  } catch (error) {
    assert.ok(isMillraceError(error), String(error))
    return error
  }
  return assert.fail('the bundle was not refused')
}

/** Our own test code only: handlers of users never run outside an isolate. */
function exportsOf({ code }: Bundle): Record<string, (...args: unknown[]) => unknown> {
  return vm.runInNewContext(`${code}\n${MODULE_GLOBAL}`) as Record<
    string,
    (...args: unknown[]) => unknown
  >
}

test('a bundle is a script that assigns the exports, packages and helpers included', async (t) => {
  const bundle = await bundleOf(
    t,
    `import { greet } from 'greeter'
     import { shout } from './_shout.ts'
     export const handler = (name: string) => shout(greet(name))`,
    { ...DEPENDENCY, 'functions/_shout.ts': 'export const shout = (s: string) => s + "!"' },
  )
  assert.equal(exportsOf(bundle)['handler']?.('Ada'), 'hello Ada!')
  assert.deepEqual(bundle.inputs, [
    'functions/_shout.ts',
    'functions/a.ts',
    'node_modules/greeter/index.js',
  ])
  assert.deepEqual(bundle.warnings, [])
})

test('a bundle is strict, as modules are', async (t) => {
  const bundle = await bundleOf(t, 'export function handler() { Object.freeze([1])[0] = 2 }')
  assert.throws(() => exportsOf(bundle)['handler']?.(), /read only/)
})

test('millrace resolves to this package from anywhere and brings only its error classes', async (t) => {
  const bundle = await bundleOf(
    t,
    `import { DeadLetter, type CloudEvent, type FunctionMetadata } from 'millrace'
     export const metadata = { triggers: [] } as unknown as FunctionMetadata
     export function handler(event: CloudEvent) { throw new DeadLetter(event.type) }`,
  )
  assert.throws(
    () => exportsOf(bundle)['handler']?.({ type: 'no good' }),
    (error: Error) => error.message.includes('no good'),
  )
  assert.deepEqual(bundle.inputs, ['functions/a.ts'])
  assert.ok(Buffer.byteLength(bundle.code) < 8_000, `${bundle.code.length} characters`)
  assert.doesNotMatch(bundle.code, /typebox/i)
})

test('a type import of millrace leaves nothing behind', async (t) => {
  const bundle = await bundleOf(
    t,
    `import type { CloudEvent } from 'millrace'
     export const handler = (event: CloudEvent) => event.type`,
  )
  assert.doesNotMatch(bundle.code, /author\//)
})

test('every Node built-in is named with its import chain and what to use instead', async (t) => {
  const error = await refusalOf(
    t,
    `import { read } from 'reader'
     import os from 'os'
     import { join } from './_lib.ts'
     export const handler = () => [read, os, join]`,
    {
      'functions/_lib.ts': 'export { join } from "node:path"',
      'node_modules/reader/package.json': '{"name":"reader","main":"index.js"}',
      'node_modules/reader/index.js': 'exports.read = require("./lib/disk.js").read',
      'node_modules/reader/lib/disk.js': 'exports.read = require("fs/promises").readFile',
    },
  )
  assert.equal(error.code, 'FN_BUILD_FORBIDDEN_IMPORT')
  const lines = error.message.split('\n')
  assert.ok(lines.includes('  functions/a.ts → os'), error.message)
  assert.ok(lines.includes('  functions/a.ts → functions/_lib.ts → node:path'), error.message)
  assert.ok(
    lines.includes(
      '  functions/a.ts → node_modules/reader/index.js → node_modules/reader/lib/disk.js → fs/promises',
    ),
    error.message,
  )
  assert.match(error.message, /fs\/promises: a function has no file system/)
  assert.match(error.message, /node:path: install the npm package `path-browserify`/)
})

test('a native addon is refused', async (t) => {
  const error = await refusalOf(
    t,
    'import addon from "./fast.node"\nexport const handler = () => addon',
    {
      'functions/fast.node': '',
    },
  )
  assert.equal(error.code, 'FN_BUILD_FORBIDDEN_IMPORT')
  assert.match(error.message, /functions\/a\.ts → fast\.node/)
})

test('a file that only ends like an addon is not refused', async (t) => {
  const bundle = await bundleOf(
    t,
    'import { v } from "./adapter.node"\nexport const handler = () => v',
    { 'functions/adapter.node.js': 'export const v = 7' },
  )
  assert.equal(exportsOf(bundle)['handler']?.(), 7)
})

test('an installed package with the name of a built-in is used', async (t) => {
  const bundle = await bundleOf(
    t,
    'import { name } from "events"\nexport const handler = () => name',
    {
      'node_modules/events/package.json': '{"name":"events","main":"events.js"}',
      'node_modules/events/events.js': 'exports.name = "plain events"',
    },
  )
  assert.equal(exportsOf(bundle)['handler']?.(), 'plain events')
})

test('a built-in that a package maps away for browsers is no import', async (t) => {
  const bundle = await bundleOf(t, 'import { v } from "maps"\nexport const handler = () => v', {
    'node_modules/maps/package.json': '{"name":"maps","main":"i.js","browser":{"fs":false}}',
    'node_modules/maps/i.js': 'exports.v = typeof require("fs").readFile',
  })
  assert.equal(exportsOf(bundle)['handler']?.(), 'undefined')
})

test('a built-in in a module that tree shaking removes is no import', async (t) => {
  const bundle = await bundleOf(t, 'import { v } from "big"\nexport const handler = () => v', {
    'node_modules/big/package.json':
      '{"name":"big","type":"module","main":"i.js","sideEffects":false}',
    'node_modules/big/i.js': 'export { v } from "./v.js"; export { disk } from "./disk.js"',
    'node_modules/big/v.js': 'export const v = 7',
    'node_modules/big/disk.js': 'import fs from "node:fs"; export const disk = () => fs',
  })
  assert.equal(exportsOf(bundle)['handler']?.(), 7)
})

test('a syntax error has file, line, column and the line itself', async (t) => {
  const error = await refusalOf(t, 'export const a = 1\nconst é = "ü"; const b = = 2\n')
  assert.equal(error.code, 'FN_BUILD_FAILED')
  assert.match(error.message, /^functions\/a\.ts:2:26: Unexpected "="/)
  assert.match(error.message, /\n {4}const é = "ü"; const b = = 2\n {29}\^$/)
})

test('top-level await is refused with what to do instead', async (t) => {
  const error = await refusalOf(t, 'export const x = await Promise.resolve(1)')
  assert.equal(error.code, 'FN_BUILD_FAILED')
  assert.match(
    error.message,
    /functions\/a\.ts:1:18: Top-level await .*move the `await` into `handler`/,
  )
})

const UNRESOLVABLE = {
  'a missing package': ['import "nowhere"', /Could not resolve "nowhere"/],
  'a missing file': ['import "./nowhere.ts"', /Could not resolve "\.\/nowhere\.ts"/],
  'a dynamic import of a missing file': [
    'export const handler = () => import("./nowhere.ts")',
    /nowhere/,
  ],
  'one whose failure is caught': [
    'export const handler = () => import("nowhere").catch(() => 1)',
    /functions\/a\.ts: import\("nowhere"\) cannot be resolved/,
  ],
  'a dynamic import of a name made at run time': [
    'export const handler = (name: string) => import(name)',
    /functions\/a\.ts:1:42: .*An isolate has no files to import from/,
  ],
  'another entry of millrace': ['import "millrace/builder"', /There is no "millrace\/builder"/],
} as const
for (const [what, [source, message]] of Object.entries(UNRESOLVABLE)) {
  test(`${what} is refused`, async (t) => {
    const error = await refusalOf(t, source)
    assert.equal(error.code, 'FN_BUILD_FAILED')
    assert.match(error.message, message)
  })
}

test('the same project in another folder gives the same bytes', async (t) => {
  const source = `import { greet } from 'greeter'
    import { Retry } from 'millrace'
    import './_side.cjs'
    export const handler = (name: string) => [greet(name), Retry]`
  const files = { ...DEPENDENCY, 'functions/_side.cjs': 'globalThis.side = 1' }
  const first = await bundleOf(t, source, files)
  const second = await bundleOf(t, source, files)
  assert.equal(first.code, second.code)
  assert.equal(first.map, second.map)
  const { sources } = JSON.parse(first.map) as { sources: string[] }
  assert.ok(sources.includes('functions/a.ts') && sources.includes('functions/_side.cjs'))
  assert.ok(
    sources.every((name) => !path.isAbsolute(name) && !name.startsWith('..')),
    sources.join(),
  )
})

test('a tsconfig above the project has no say', async (t) => {
  const files = { 'app/functions/a.ts': 'export class handler { x }' }
  const bare = await projectFiles(t, files)
  const above = await projectFiles(t, {
    ...files,
    'tsconfig.json': '{"compilerOptions":{"useDefineForClassFields":false}}',
  })
  const [first, second] = await Promise.all(
    [bare, above].map((dir) =>
      bundleFunction(path.join(dir, 'app/functions/a.ts'), { projectDir: path.join(dir, 'app') }),
    ),
  )
  assert.equal(first?.code, second?.code)
})

test('the map leads a stack back to the line of the source', async (t) => {
  const bundle = await bundleOf(
    t,
    `interface Padding { a: string }

     export function handler(): Padding {
       throw new Error('here')
     }`,
  )
  const place = stackPlace(() => exportsOf(bundle)['handler']?.())
  const map = new SourceMap(JSON.parse(bundle.map))
  const entry = map.findEntry(place.line - 1, place.column - 1)
  assert.ok('originalLine' in entry)
  assert.equal(entry.originalSource, 'functions/a.ts')
  assert.equal(entry.originalLine + 1, 4)
})

function stackPlace(run: () => unknown): { line: number; column: number } {
  try {
    run()
  } catch (error) {
    // The error is of another realm, so no `instanceof`.
    const match = /handler \(evalmachine.*?:(\d+):(\d+)\)/.exec((error as Error).stack ?? '')
    return { line: Number(match?.[1]), column: Number(match?.[2]) }
  }
  return assert.fail('nothing was thrown')
}
