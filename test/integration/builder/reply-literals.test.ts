import assert from 'node:assert/strict'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { bundleFunction } from '../../../builder/bundle.ts'
import { replyLiterals, type ReplyLiteral } from '../../../builder/reply-literals.ts'
import { projectFiles } from '../../support/project-files.ts'

async function literalsIn(
  t: TestContext,
  source: string,
  files: Record<string, string> = {},
): Promise<ReplyLiteral[]> {
  const projectDir = await projectFiles(t, { 'functions/a.ts': source, ...files })
  return replyLiterals(
    await bundleFunction(path.join(projectDir, 'functions/a.ts'), { projectDir }),
  )
}

/** The types of what stands in a handler. */
const TYPES: Record<string, [body: string, types: string[]]> = {
  'a literal': [`return { type: 'x', data: event.data }`, ['x']],
  several: [`return [{ type: 'x' }, { 'type': 'y' }]`, ['x', 'y']],
  'a template without places': ['return { type: `x` }', ['x']],
  'one of two': [`return { type: event.data ? 'x' : 'y' }`, ['x', 'y']],
  'a type or another one': [`return { type: event.next ?? 'x' }`, ['x']],
  'a constant': [`return { type: TYPE }`, ['constant']],
  'a name that is no constant': [`const at = { type: changed }; return at`, []],
  'a name that is a parameter elsewhere': [
    `return ((shadowed) => ({ type: shadowed }))(event)`,
    [],
  ],
  'what is known at run time': [`return { type: event.data.type }`, []],
  'a payload': [`return { type: 'x', data: { type: 'y', of: [{ type: 'z' }] } }`, ['x']],
  'no reply, by a name': [`return { type: 'x', orderId: 1 }`, []],
  'no reply, by a value': [`return { type: 'x', items: [] }`, []],
  filters: [`return [{ exact: { type: 'x' } }]`, []],
  'a spread before the type': [`return { ...event, type: 'x' }`, ['x']],
  'a spread that may replace the type': [`return { type: 'x', ...event }`, []],
  'a spread that cannot': [`return { type: 'x', ...(event.subject && { subject: 's' }) }`, ['x']],
}
for (const [what, [body, types]] of Object.entries(TYPES)) {
  test(`the types of replies: ${what}`, async (t) => {
    const found = await literalsIn(
      t,
      `export const metadata = { triggers: [{ broker: 'b/b', filters: [{ exact: { type: 'own' } }] }] }
       const TYPE = 'constant'
       let changed = 'x'
       changed += event.id
       const shadowed = 'x'
       export function handler(event) { console.log(TYPE, changed, shadowed); ${body} }`,
    )
    assert.deepEqual(
      found.map(({ type }) => type),
      types,
    )
  })
}

test('a literal has its attributes, what is not known, and its place in the source', async (t) => {
  const found = await literalsIn(
    t,
    `export function handler(event) {
       return [
         { type: 'x', source: '/mine', priority: 7, subject: event.subject },
         { ...event, type: 'y', urgent: true, data: 1 },
       ]
     }`,
  )
  assert.deepEqual(found, [
    {
      type: 'x',
      attributes: new Map([
        ['source', '/mine'],
        ['priority', '7'],
        ['subject', undefined],
      ]),
      open: false,
      place: 'functions/a.ts:3',
    },
    {
      type: 'y',
      attributes: new Map([
        ['urgent', 'true'],
        ['data', undefined],
      ]),
      open: true,
      place: 'functions/a.ts:4',
    },
  ])
})

test('what a function shares with others counts where it is used; packages and JSON do not', async (t) => {
  const found = await literalsIn(
    t,
    `import { used } from './_shared.ts'
     import sample from './sample.json'
     import { made } from 'maker'
     export const handler = () => [used(), sample, made()]`,
    {
      'functions/_shared.ts': `export const used = () => ({ type: 'used' })\nexport const idle = () => ({ type: 'idle' })`,
      'functions/sample.json': `{ "type": "sample" }`,
      'node_modules/maker/package.json': `{ "name": "maker", "version": "1.0.0", "main": "index.js" }`,
      'node_modules/maker/index.js': `export const made = () => ({ type: 'made' })`,
    },
  )
  assert.deepEqual(
    found.map(({ type, place }) => [type, place]),
    [['used', 'functions/_shared.ts:1']],
  )
})
