import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { SetupError } from './setup-error.js'

/** What is installed where the machine's own Node does not do. */
const VERSION = '24.21.0'
const STALE_MS = 60 * 60 * 1000

/** The cache outside the repository: `$MILLRACE_CACHE`, or `~/.cache/millrace`. */
export function cacheFolder() {
  return process.env.MILLRACE_CACHE || join(homedir(), '.cache', 'millrace')
}

/**
 * True where this Node runs TypeScript files and has a prebuilt isolated-vm: 24.12 and later ones of 24.
 * Other majors have another ABI, which isolated-vm may not be built for.
 */
export function isNode24() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major === 24 && minor >= 12
}

/** Path of a Node 24: this one, or one that is installed into the cache on first use. */
export async function findNode24() {
  if (isNode24()) return process.execPath
  const packageName = packageForThisMachine()
  const home = join(cacheFolder(), `node-${VERSION}`)
  const binary = join(home, 'node_modules', packageName, 'bin', 'node')
  if (existsSync(binary)) return binary
  const { withLock } = await import('./lock.js')
  await withLock(home, async () => {
    if (!existsSync(binary)) await install(packageName, home)
  })
  return binary
}

function packageForThisMachine() {
  const target = `${process.platform}-${process.arch}`
  if (target === 'linux-x64' || target === 'linux-arm64') return `node-${target}`
  throw new SetupError(
    `millrace: there is no Node ${VERSION} to fetch for ${target}; Millrace runs on Linux, x64 and arm64.\n` +
      `This is Node ${process.versions.node}. Put a Node 24.12 or later of 24 first on the PATH.`,
  )
}

async function install(packageName, home) {
  process.stderr.write(
    `millrace: this is Node ${process.versions.node}; installing Node ${VERSION} into ${home} (once)\n`,
  )
  await mkdir(dirname(home), { recursive: true })
  await removeStale(dirname(home))
  const { runNpm } = await import('./npm.js')
  const staging = await mkdtemp(`${home}.part-`)
  try {
    await runNpm(
      [
        'install',
        '--ignore-scripts',
        '--no-save',
        '--no-audit',
        '--no-fund',
        '--prefix',
        staging,
        `${packageName}@${VERSION}`,
      ],
      { cwd: staging, purpose: `installs Node ${VERSION}` },
    )
    // A folder appears under its final name only when it is whole.
    await rename(staging, home)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Folders that an interrupted installation left behind. */
async function removeStale(folder) {
  for (const name of await readdir(folder)) {
    if (!name.includes('.part-')) continue
    const path = join(folder, name)
    const { mtimeMs } = await stat(path)
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
  }
}
