/** The commands of `bin/` in a project of their own, with an npm that only writes down what it is asked. */
import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const BIN = fileURLToPath(new URL('../../../bin', import.meta.url))
const LOCK = { packages: { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } } }
const MAIN = `process.on('SIGTERM', () => { console.log('asked to stop'); process.exit(7) })
console.log(JSON.stringify(process.argv.slice(2)))
if (process.argv.includes('stay')) setInterval(() => {}, 1_000)`
const FAKE_NPM = `#!/bin/sh
echo "$1" >> "$NPM_CALLS"
[ -z "$NPM_GATE" ] || read -r _ < "$NPM_GATE"
[ -z "$NPM_FAILS" ] || { echo 'npm warn noise'; echo "npm error $NPM_FAILS"; exit 1; }
if [ "$1" = ci ]; then
  mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json
else
  while [ "$1" != --prefix ]; do shift; done
  bin="$2/node_modules/\${3%@*}/bin"
  mkdir -p "$bin" && ln -s "$REAL_NODE" "$bin/node"
fi
`
/** Makes the Node of the tests look like the one of Debian, so that it hands over to another. */
const LOOK_LIKE_20 = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`

test('the first start installs dependencies and Node 24, the second one nothing', async (t) => {
  const project = await makeProject(t)
  const env = await project.olderNode()
  assert.deepEqual(await project.run('start.js', ['--port', '0'], env), {
    code: 0,
    stdout: '["main","--port","0"]\n',
  })
  assert.deepEqual(await project.npmCalls(), ['ci', 'install'])
  assert.deepEqual(await readdir(join(project.root, 'cache')), ['node-24.21.0'])

  assert.equal((await project.run('start.js', [], env)).code, 0)
  assert.deepEqual(await project.npmCalls(), ['ci', 'install'])
})

test('on Node 24 the command runs in the same process', async (t) => {
  const project = await makeProject(t)
  assert.deepEqual(await project.run('fn.js', ['events', '--json']), {
    code: 0,
    stdout: '["events","--json"]\n',
  })
  assert.deepEqual(await project.npmCalls(), ['ci'])
})

test('a lock that changed, and an installation that was interrupted, are installed again', async (t) => {
  const project = await makeProject(t)
  await project.run('fn.js', [])
  await writeFile(
    join(project.root, 'package-lock.json'),
    JSON.stringify(LOCK).replace('1.0.0', '1.0.1'),
  )
  await project.run('fn.js', [])
  assert.deepEqual(await project.npmCalls(), ['ci', 'ci'])
  await rm(join(project.root, 'node_modules', '.package-lock.json'))
  await project.run('fn.js', [])
  assert.deepEqual(await project.npmCalls(), ['ci', 'ci', 'ci'])
})

test('only what runs the tests asks for development packages, and other platforms never matter', async (t) => {
  const project = await makeProject(t)
  const packages = {
    ...LOCK.packages,
    'node_modules/b': { version: '1.0.0', dev: true },
    'node_modules/c': { version: '1.0.0', optional: true, os: ['plan9'] },
  }
  await writeFile(join(project.root, 'package-lock.json'), JSON.stringify({ packages }))
  await mkdir(join(project.root, 'node_modules'))
  const record = join(project.root, 'node_modules', '.package-lock.json')
  await writeFile(record, JSON.stringify(LOCK))
  await project.run('fn.js', [])
  assert.deepEqual(await project.npmCalls(), [])
  await project.run('bench.js', [])
  assert.deepEqual(await project.npmCalls(), ['ci'])
})

test('of two commands that start at once, one installs and the other waits for it', async (t) => {
  const project = await makeProject(t)
  const gate = join(project.root, 'gate')
  await promisify(execFile)('mkfifo', [gate])
  const first = project.start('fn.js', ['first'], { NPM_GATE: gate })
  await printed(first, /installing dependencies/)
  const second = project.start('fn.js', ['second'], { NPM_GATE: gate })
  await printed(second, /another process installs/)
  await writeFile(gate, '\n')
  const outputs = [first, second].map((child) => text(child.stdout as NodeJS.ReadableStream))
  assert.deepEqual(await Promise.all(outputs), ['["first"]\n', '["second"]\n'])
  assert.deepEqual(await project.npmCalls(), ['ci'])
})

test('a failed installation says what happened and what to do, and ends with 1', async (t) => {
  const project = await makeProject(t)
  const child = project.start('start.js', [], { NPM_FAILS: 'code ENOTFOUND' })
  const [stderr, [code]] = await Promise.all([
    text(child.stderr as NodeJS.ReadableStream),
    once(child, 'exit'),
  ])
  assert.equal(code, 1)
  assert.match(stderr, /npm failed while it installs the dependencies/)
  assert.match(stderr, /npm error code ENOTFOUND\n\nThe npm registry could not be reached\./)
  assert.doesNotMatch(stderr, /noise|\n {4}at /)
})

test('an interrupted installation takes npm with it and leaves nothing half done', async (t) => {
  const project = await makeProject(t)
  const gate = join(project.root, 'gate')
  await promisify(execFile)('mkfifo', [gate])
  await mkdir(join(project.root, 'node_modules'))
  await writeFile(join(project.root, 'node_modules', '.package-lock.json'), JSON.stringify(LOCK))
  const env = { ...(await project.olderNode()), NPM_GATE: gate }
  const child = project.start('fn.js', [], env)
  await printed(child, /installing Node 24/)
  // The fake npm opens the gate for reading: from then on it runs.
  const opened = await open(gate, 'w')
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [130, null])
  await opened.close()
  assert.deepEqual(await readdir(join(project.root, 'cache')), [])
})

test('a signal reaches the command, and its exit code comes back', async (t) => {
  const project = await makeProject(t)
  const child = project.start('fn.js', ['stay'], await project.olderNode())
  const stdout = printed(child, /asked to stop/, 'stdout')
  await printed(child, /stay/, 'stdout')
  child.kill('SIGTERM')
  await stdout
  assert.deepEqual(await once(child, 'exit'), [7, null])
})

test('a published package runs its bundle and installs nothing', async (t) => {
  const project = await makeProject(t)
  await mkdir(join(project.root, 'dist'))
  await writeFile(join(project.root, 'dist', 'fn.js'), "console.log('bundle', process.argv[2])")
  assert.deepEqual(await project.run('fn.js', ['lag']), { code: 0, stdout: 'bundle lag\n' })
  assert.deepEqual(await project.npmCalls(), [])
})

test('the lock names every platform package that its packages want, or npm ci refuses it', async () => {
  const file = new URL('../../../package-lock.json', import.meta.url)
  const { packages } = JSON.parse(await readFile(file, 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  const wanted = Object.values(packages).flatMap((one) =>
    Object.keys(one.optionalDependencies ?? {}),
  )
  assert.ok(wanted.length > 0)
  assert.deepEqual(
    wanted.filter((name) => packages[`node_modules/${name}`] === undefined),
    [],
  )
})

interface Project {
  root: string
  start(script: string, args: string[], env?: NodeJS.ProcessEnv): ChildProcess
  run(
    script: string,
    args: string[],
    env?: NodeJS.ProcessEnv,
  ): Promise<{ code: number; stdout: string }>
  /** What makes a command believe that it runs on Node 20. */
  olderNode(): Promise<NodeJS.ProcessEnv>
  npmCalls(): Promise<string[]>
}

async function makeProject(t: TestContext): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-bin-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  await cp(BIN, join(root, 'bin'), { recursive: true })
  for (const folder of ['cli', 'bench', 'path']) await mkdir(join(root, folder))
  await writeFile(join(root, 'package.json'), '{"type":"module"}')
  await writeFile(join(root, 'package-lock.json'), JSON.stringify(LOCK))
  await writeFile(join(root, 'cli', 'main.ts'), MAIN)
  await writeFile(join(root, 'bench', 'run.ts'), '')
  await writeFile(join(root, 'path', 'npm'), FAKE_NPM)
  await chmod(join(root, 'path', 'npm'), 0o755)
  const calls = join(root, 'npm-calls')
  await writeFile(calls, '')

  const start: Project['start'] = (script, args, env = {}) => {
    const child = spawn(process.execPath, [join(root, 'bin', script), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: [join(root, 'path'), process.env['PATH']].join(delimiter),
        MILLRACE_CACHE: join(root, 'cache'),
        NODE_DISABLE_COMPILE_CACHE: '1',
        NPM_CALLS: calls,
        REAL_NODE: process.execPath,
        ...env,
      },
    })
    t.after(() => child.kill('SIGKILL'))
    return child
  }
  return {
    root,
    start,
    async run(script, args, env) {
      const child = start(script, args, env)
      const [stdout, [code]] = await Promise.all([
        text(child.stdout as NodeJS.ReadableStream),
        once(child, 'exit') as Promise<[number]>,
      ])
      return { code, stdout }
    },
    async olderNode() {
      const file = join(root, 'look-like-20.mjs')
      await writeFile(file, LOOK_LIKE_20)
      return { NODE_OPTIONS: `--import=${file}` }
    },
    async npmCalls() {
      return (await readFile(calls, 'utf8')).trim().split('\n').filter(Boolean)
    },
  }
}

/** Resolves when the command has printed it; rejects when it ended without. */
function printed(
  child: ChildProcess,
  pattern: RegExp,
  stream: 'stdout' | 'stderr' = 'stderr',
): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = ''
    child[stream]?.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
      if (pattern.test(seen)) resolve()
    })
    child.once('close', () => reject(new Error(`not printed: ${String(pattern)} in ${seen}`)))
  })
}
