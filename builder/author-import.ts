import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'esbuild'

const NAMESPACE = 'millrace'
const PACKAGE_DIR = fileURLToPath(new URL('..', import.meta.url))
const ENTRY = 'author/index.ts'

/**
 * Resolves `millrace` to this package's own author surface, wherever the project lies and whether or
 * not it has the package installed. In a namespace, so that the place of this package on the machine
 * does not get into bundles and maps.
 */
export function authorImport(): Plugin {
  return {
    name: 'millrace-author',
    setup(build) {
      build.onResolve({ filter: /^millrace(\/.*)?$/ }, ({ path: name }) => {
        if (name === 'millrace') return { path: ENTRY, namespace: NAMESPACE, sideEffects: false }
        return { errors: [{ text: `There is no "${name}": functions import from "millrace"` }] }
      })
      build.onResolve(
        { filter: /^\.{1,2}\//, namespace: NAMESPACE },
        ({ path: name, importer }) => {
          const target = path.posix.join(path.posix.dirname(importer), name)
          return { path: target, namespace: NAMESPACE, sideEffects: false }
        },
      )
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, async ({ path: name }) => ({
        contents: await readFile(path.join(PACKAGE_DIR, name), 'utf8'),
        loader: 'ts',
      }))
    },
  }
}

/** Whether a metafile's input is a file of this package rather than of the project. */
export function isAuthorSource(input: string): boolean {
  return input.startsWith(`${NAMESPACE}:`)
}
