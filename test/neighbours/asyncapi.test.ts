/**
 * AsyncAPI's own parser on what `fn docs` writes. It brings 168 packages, so it is installed on first use
 * beside the other downloads, and is no dependency of Millrace.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { project } from '../support/project.ts'

const VERSION = '3.6.6'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The parser's severities: 0 is an error, 1 a warning. */
const WARNING = 1

interface Diagnostic {
  severity: number
  message: string
  path: Array<string | number>
}
interface Parser {
  parse(text: string): Promise<{
    document?: { version(): string; operations(): { all(): unknown[] } }
    diagnostics: Diagnostic[]
  }>
}

let parser: Parser
before(async () => {
  const cache = process.env['MILLRACE_CACHE'] ?? join(homedir(), '.cache', 'millrace')
  const dir = join(cache, `asyncapi-parser-${VERSION}`)
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'package.json'), '{"private":true}')
  const install = ['install', '--save-exact', '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)('npm', [...install, `@asyncapi/parser@${VERSION}`], { cwd: dir })
  const loaded = createRequire(join(dir, 'index.js'))('@asyncapi/parser') as {
    Parser: new () => Parser
  }
  parser = new loaded.Parser()
})

async function operationsIn(text: string): Promise<number> {
  const { document, diagnostics } = await parser.parse(text)
  const faults = diagnostics.filter(({ severity }) => severity <= WARNING)
  assert.deepEqual(
    faults.map(({ message, path }) => `${path.join('/')}: ${message}`),
    [],
  )
  assert.equal(document?.version(), '3.0.0')
  return document.operations().all().length
}

test('the document of the example functions is valid, in YAML and JSON', async (t) => {
  const app = await project(t, 'guide')
  await mkdir(join(app.dir, 'schemas'))
  await cp(join(ROOT, 'schemas'), join(app.dir, 'schemas'), { recursive: true })
  assert.ok((await operationsIn((await app.fn(['docs'])).stdout)) >= 11)
  const json = await app.fn(['docs', '--format', 'json', '--brokers', 'a:9092,b:9092'])
  assert.ok((await operationsIn(json.stdout)) >= 11)
})

test('schemas of every shape give a valid document', async (t) => {
  const text = await docsWith(t, {
    '_leaf.json': { $defs: { 'a b': { type: 'string', format: 'date-time' } } },
    'x.new.v2.json': {
      $id: 'https://example.com/new',
      type: 'object',
      'x-own': 1,
      properties: {
        self: { $ref: '#', description: 'beside a reference' },
        leaf: { $ref: '_leaf.json#/$defs/a%20b', minLength: 3 },
        pair: { prefixItems: [{ type: 'string' }, true], items: false },
      },
      dependentRequired: { pair: ['leaf'] },
      dependentSchemas: { pair: { minProperties: 2 } },
      unevaluatedProperties: false,
      if: { required: ['pair'] },
      then: { required: ['self'] },
    },
    'x.old.json': {
      $schema: 'http://json-schema.org/draft-07/schema#',
      definitions: { n: { type: 'number', exclusiveMinimum: 0 } },
      items: [{ $ref: '#/definitions/n' }],
      additionalItems: false,
    },
    'odd type (1).json': { const: null },
  })
  assert.equal(await operationsIn(text), 2)
})

async function docsWith(t: TestContext, schemas: Record<string, unknown>): Promise<string> {
  const app = await project(t, {
    'a.ts': `export const metadata = { triggers: [{ broker: 'events/b' }] }
export function handler() { return { type: 'reply/of a' } }`,
  })
  await mkdir(join(app.dir, 'schemas'))
  for (const [name, schema] of Object.entries(schemas)) {
    await app.write(`schemas/${name}`, JSON.stringify(schema))
  }
  const { code, stdout, stderr } = await app.fn(['docs'])
  assert.equal(code, 0, stderr)
  return stdout
}
