/** Functions for the isolation tests, from source text or files. */
import path from 'node:path'
import { build } from 'esbuild'
import type { FunctionBundle } from '../../runtime/contract/work.ts'

const ROOT = path.join(import.meta.dirname, '../..')

/** Bundles the text of a function file, as the builder would. */
export async function bundleOf(source: string): Promise<FunctionBundle> {
  const result = await build({
    stdin: { contents: source, sourcefile: 'fixture.ts', loader: 'ts', resolveDir: ROOT },
    bundle: true,
    write: false,
    outfile: path.join(ROOT, 'bundle.js'),
    format: 'iife',
    globalName: '__millraceModule',
    banner: { js: '"use strict";' },
    target: 'es2024',
    sourcemap: 'external',
    logLevel: 'silent',
    alias: { millrace: path.join(ROOT, 'author/index.ts') },
    absWorkingDir: ROOT,
    tsconfigRaw: {},
  })
  const output = (suffix: string): string =>
    result.outputFiles.find((file) => file.path.endsWith(suffix))?.text ?? ''
  return { code: output('.js'), map: output('.js.map') }
}
