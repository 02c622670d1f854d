/** A Python for tests, with the packages of `test/neighbours/python/requirements.txt`. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, onceAcrossProcesses, run } from './cache.ts'

const REQUIREMENTS = fileURLToPath(
  new URL('../neighbours/python/requirements.txt', import.meta.url),
)
/** What `cloudevents` and `flask` of these versions run on. */
const OLDEST_MINOR = 9

export interface PythonForTests {
  /** Give it to each test: skips where there is no Python (an error with `CI=true`). */
  readonly needed: { skip: string | false }
  /** Path of an interpreter that has the packages; they are installed at the first call. */
  python(): Promise<string>
}

export function pythonForTests(): PythonForTests {
  const missing = whyNoPython()
  if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)
  return { needed: { skip: missing ?? false }, python: installedPython }
}

/**
 * A virtual environment holds the path where it was made, so it is made in its place; `ready` is its last
 * file, and what has none is made anew. Other requirements, or another Python, are another folder.
 */
async function installedPython(): Promise<string> {
  const digest = createHash('sha256')
    .update(readFileSync(REQUIREMENTS))
    .update(pythonVersion() ?? '')
    .digest('hex')
  const home = path.join(cacheFolder(), `python-${digest.slice(0, 16)}`)
  const python = path.join(home, 'bin', 'python')
  await onceAcrossProcesses(path.join(home, 'ready'), async (ready) => {
    await rm(home, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', home])
    await run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '-r', REQUIREMENTS])
    await run(python, ['-c', `open(${JSON.stringify(ready)}, 'w').close()`])
  })
  return python
}

function whyNoPython(): string | undefined {
  const version = pythonVersion()
  const minor = Number(/^3\.(\d+)/.exec(version ?? '')?.[1] ?? 0)
  if (minor >= OLDEST_MINOR) return undefined
  return `Python 3.${OLDEST_MINOR} or newer with venv is needed: apt-get install python3-venv`
}

let known: { version: string | undefined } | undefined

/** Undefined as well where `venv` cannot make an environment: Debian has that apart. */
function pythonVersion(): string | undefined {
  if (known === undefined) {
    const script = 'import ensurepip, sys, venv; print(sys.version)'
    const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8' })
    known = { version: status === 0 ? stdout : undefined }
  }
  return known.version
}
