/**
 * One function file and everything it imports → one script for an isolate, and its source map. The
 * same input gives the same bytes on every machine: nothing here may put an absolute path, a time or
 * an order of completion into the output.
 */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import path from 'node:path'
import { build, type BuildOptions, type BuildResult } from 'esbuild'
import { MillraceError } from '../runtime/errors.ts'
import { authorImport, isAuthorSource } from './author-import.ts'
import { buildFailure, messageText } from './esbuild-message.ts'
import { forbiddenImports, refuseForbidden, refuseUnresolvable } from './forbidden-imports.ts'

/** The global variable to which a bundle assigns the module's exports. */
export const MODULE_GLOBAL = '__millraceModule'

export interface BundleOptions {
  /** Paths in the bundle and its map are relative to it. */
  projectDir: string
}

export interface Bundle {
  /** A script: `var __millraceModule = (() => { … })()`. */
  code: string
  /** Source map v3 as JSON, with the sources' text. */
  map: string
  warnings: string[]
  /** Files that went in, relative to the project, sorted. */
  inputs: string[]
}

/**
 * Throws `FN_BUILD_FAILED` with `file:line:column` of every error, or `FN_BUILD_FORBIDDEN_IMPORT` with
 * the import chain of every Node built-in and native addon.
 */
export async function bundleFunction(file: string, options: BundleOptions): Promise<Bundle> {
  // esbuild works with real paths; a project behind a symbolic link would give `../..` names.
  const root = await realpath(options.projectDir)
  const entry = await realpath(file)
  const result = await run(esbuildOptions(root, entry))
  const entryName = relativeName(root, entry)
  refuseForbidden(result.metafile, entryName)
  refuseUnresolvable(result.metafile)
  return {
    code: output(result, '.js'),
    map: output(result, '.js.map'),
    warnings: result.warnings.map(messageText),
    inputs: Object.keys(result.metafile.inputs)
      .filter((input) => !isAuthorSource(input))
      .sort(),
  }
}

function esbuildOptions(root: string, entry: string): BundleBuild {
  const tsconfig = path.join(root, 'tsconfig.json')
  return {
    entryPoints: [entry],
    absWorkingDir: root,
    // Never written. Its folder is what the map's paths are relative to.
    outfile: path.join(root, 'bundle.js'),
    write: false,
    metafile: true,
    bundle: true,
    format: 'iife',
    globalName: MODULE_GLOBAL,
    // For the `browser` maps of packages, by which they replace Node built-ins; an isolate is no
    // browser, but less is missing from browser builds there than from Node builds.
    platform: 'browser',
    mainFields: ['browser', 'module', 'main'],
    conditions: ['worker', 'browser', 'module'],
    target: 'es2024',
    treeShaking: true,
    keepNames: true,
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: true,
    // ES modules are strict, a script is not: a write to a frozen object must throw.
    banner: { js: '"use strict";' },
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    // Only the project's own tsconfig counts, not one that happens to lie in a folder above.
    ...(existsSync(tsconfig) ? { tsconfig } : { tsconfigRaw: {} }),
    logLevel: 'silent',
    logOverride: { 'unsupported-dynamic-import': 'error' },
    plugins: [authorImport(), forbiddenImports()],
  }
}

type BundleBuild = BuildOptions & { metafile: true; write: false }

async function run(options: BundleBuild): Promise<BuildResult<BundleBuild>> {
  try {
    return await build(options)
  } catch (error) {
    throw buildFailure(error)
  }
}

function output(result: BuildResult<BundleBuild>, suffix: string): string {
  const file = result.outputFiles.find((candidate) => candidate.path.endsWith(suffix))
  if (file === undefined) {
    throw new MillraceError('FN_BUILD_FAILED', `esbuild gave no ${suffix} file`)
  }
  return file.text
}

/** As esbuild's metafile names inputs: relative, with forward slashes. */
function relativeName(root: string, file: string): string {
  return path.relative(root, file).split(path.sep).join('/')
}
