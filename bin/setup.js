import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of package.json. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Installs what package-lock.json names, unless it is there.
 *
 * Install scripts stay off: isolated-vm's would compile it for the Node that runs npm, while its prebuilt
 * binaries serve Node 24.
 */
export async function ensureDependencies({ dev }) {
  if (areDependenciesInstalled({ dev })) return
  // Loaded only where there is something to do: every command passes here.
  const { withLock } = await import('./lock.js')
  const { runNpm } = await import('./npm.js')
  await withLock(
    `dependencies of ${ROOT}`,
    async () => {
      if (areDependenciesInstalled({ dev })) return
      process.stderr.write('millrace: installing dependencies (npm ci)\n')
      await runNpm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], {
        cwd: ROOT,
        purpose: 'installs the dependencies',
      })
    },
    () => process.stderr.write('millrace: another process installs the dependencies; waiting\n'),
  )
}

/**
 * Compares package-lock.json with the record that npm writes into node_modules when it is done, so that
 * an installation by hand counts, and one that was interrupted does not.
 */
export function areDependenciesInstalled({ dev, root = ROOT }) {
  const recordFile = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(recordFile)) return false
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(recordFile)
  return Object.entries(wanted).every(([path, want]) => {
    // '' is the project itself, which npm does not install.
    if (path === '' || (want.dev && !dev)) return true
    const have = installed[path]
    // Optional packages are those of other platforms.
    if (have === undefined) return want.optional === true || want.devOptional === true
    return have.version === want.version && have.integrity === want.integrity
  })
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
