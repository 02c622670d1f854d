/**
 * The two programs that run outside the supervisor, built from their source files once for a pool: the
 * kernel (inside isolates) and the worker. A worker gets its program over its standard input and so
 * needs to read one file: the addon.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildOptions, type Plugin } from 'esbuild'

export interface IsolateScripts {
  /** A script whose value is the kernel's `boot`. */
  kernel: string
  /** A CommonJS program. */
  worker: string
  /** Path of isolated-vm's addon for this platform. */
  addon: string
}

export async function isolateScripts(): Promise<IsolateScripts> {
  const addon = addonPath()
  const [kernel, worker] = await Promise.all([
    bundle('./kernel.isolate.ts', { format: 'iife', globalName: 'kernel' }),
    bundle('./worker.ts', { format: 'cjs', platform: 'node', plugins: [isolatedVm(addon)] }),
  ])
  // In a function, so that the kernel leaves no name on the global object.
  return { kernel: `(() => {\n${kernel}\nreturn kernel.boot\n})()`, worker, addon }
}

export async function bundle(entry: string, options: BuildOptions): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    target: 'es2024',
    legalComments: 'none',
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'silent',
    // Fields must be defined on the object, not assigned: see kernel-intrinsics.isolate.ts.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: true, strict: true } },
    ...options,
  })
  return result.outputFiles?.[0]?.text ?? ''
}

/** Found here, without loading it: the supervisor never does. */
function addonPath(): string {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('isolated-vm/package.json')
  const gyp = createRequire(manifest)('node-gyp-build') as { resolve(dir: string): string }
  return gyp.resolve(path.dirname(manifest))
}

function isolatedVm(addon: string): Plugin {
  return {
    name: 'isolated-vm',
    setup(setup) {
      setup.onResolve({ filter: /^isolated-vm$/ }, () => ({ path: addon, namespace: 'addon' }))
      setup.onResolve({ filter: /\.node$/, namespace: 'addon' }, ({ path: file }) => ({
        path: file,
        external: true,
      }))
      setup.onLoad({ filter: /.*/, namespace: 'addon' }, ({ path: file }) => ({
        contents: `module.exports = require(${JSON.stringify(file)}).ivm`,
      }))
    },
  }
}
