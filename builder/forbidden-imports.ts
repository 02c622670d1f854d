/**
 * Refuses what an isolate does not have: Node built-ins and native addons. While esbuild runs they are
 * replaced by empty modules, so that the finished graph can show every one of them with the chain of
 * imports that led there, and not only the first.
 */
import { builtinModules } from 'node:module'
import path from 'node:path'
import type { Metafile, Plugin } from 'esbuild'
import { MillraceError } from '../runtime/errors.ts'
import { insteadOf } from './built-in-advice.ts'

const NAMESPACE = 'millrace-forbidden'
const PREFIX = `${NAMESPACE}:`
const OWN_RESOLVE = Symbol('resolved by this plugin')
const MAX_SHOWN = 20

const BUILT_IN = new RegExp(
  `^(node:.*|${builtinModules.filter((name) => !name.startsWith('_')).join('|')})$`,
)

export function forbiddenImports(): Plugin {
  return {
    name: 'millrace-forbidden-imports',
    setup(build) {
      build.onResolve({ filter: BUILT_IN }, async ({ path: name, pluginData, ...from }) => {
        if (pluginData === OWN_RESOLVE) return undefined
        // `buffer` or `events` may be an installed package in plain JavaScript, and a package may map
        // a built-in away in its `browser` field: then esbuild can resolve the name.
        const resolved = await build.resolve(name, { ...from, pluginData: OWN_RESOLVE })
        return resolved.errors.length === 0 ? undefined : { path: name, namespace: NAMESPACE }
      })
      build.onResolve({ filter: /\.node$/ }, async ({ path: name, pluginData, ...from }) => {
        if (pluginData === OWN_RESOLVE) return undefined
        // `./adapter.node` may as well mean `adapter.node.js`.
        const resolved = await build.resolve(name, { ...from, pluginData: OWN_RESOLVE })
        if (!resolved.path.endsWith('.node')) return undefined
        return { path: path.basename(name), namespace: NAMESPACE }
      })
      // CommonJS, because any name can be imported from it.
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, () => ({
        contents: 'module.exports = {}',
        loader: 'js',
      }))
    },
  }
}

/** Throws `FN_BUILD_FORBIDDEN_IMPORT` naming every chain and what to use instead. */
export function refuseForbidden(metafile: Metafile, entry: string): void {
  const chains = forbiddenChains(metafile, entry)
  if (chains.length === 0) return
  const names = [...new Set(chains.map((chain) => chain.at(-1) ?? ''))]
  const shown = chains.slice(0, MAX_SHOWN).map((chain) => `  ${chain.join(' → ')}`)
  if (chains.length > MAX_SHOWN) shown.push(`  and ${chains.length - MAX_SHOWN} more`)
  throw new MillraceError(
    'FN_BUILD_FORBIDDEN_IMPORT',
    [
      `${entry} imports what an isolate does not have: ${names.join(', ')}`,
      ...shown,
      ...names.map((name) => `${name}: ${insteadOf(name)}`),
    ].join('\n'),
    { detail: { chains } },
  )
}

/** Throws `FN_BUILD_FAILED` for a dynamic import that was left in the bundle: nothing would answer it. */
export function refuseUnresolvable(metafile: Metafile): void {
  const left = Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
    imports
      .filter(({ kind, external }) => kind === 'dynamic-import' && external === true)
      .map((imported) => `${file}: import("${imported.path}") cannot be resolved`),
  )
  if (left.length === 0) return
  throw new MillraceError(
    'FN_BUILD_FAILED',
    `${left.join('\n')}\nAn isolate has no files to import from: install the package, or correct the path`,
  )
}

function forbiddenChains(metafile: Metafile, entry: string): string[][] {
  const parents = shortestParents(metafile, entry)
  const chains: string[][] = []
  for (const importer of parents.keys()) {
    if (!isUsed(metafile, importer)) continue
    const names = new Set(
      (metafile.inputs[importer]?.imports ?? [])
        .filter((imported) => imported.path.startsWith(PREFIX))
        .map((imported) => imported.path.slice(PREFIX.length)),
    )
    for (const name of names) chains.push([...chainTo(importer, parents), name])
  }
  return chains
}

/** Breadth first, so that each chain is a shortest one. */
function shortestParents(metafile: Metafile, entry: string): Map<string, string | undefined> {
  const parents = new Map<string, string | undefined>([[entry, undefined]])
  // A Map's iteration goes on over what is added meanwhile: it is the queue.
  for (const file of parents.keys()) {
    for (const { path: target, external } of metafile.inputs[file]?.imports ?? []) {
      if (external !== true && !parents.has(target)) parents.set(target, file)
    }
  }
  return parents
}

function chainTo(file: string, parents: Map<string, string | undefined>): string[] {
  const parent = parents.get(file)
  return parent === undefined ? [file] : [...chainTo(parent, parents), file]
}

/** A package's module that tree shaking removed does no harm; the project's own imports are meant. */
function isUsed(metafile: Metafile, file: string): boolean {
  if (!file.includes('node_modules/')) return true
  return Object.values(metafile.outputs).some(
    ({ inputs }) => (inputs[file]?.bytesInOutput ?? 0) > 0,
  )
}
