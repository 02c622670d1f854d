/**
 * Runs the project's own TypeScript over its functions, with the types of an isolate: no Node, no DOM.
 * Nothing of the builder depends on it, so a project without TypeScript still builds.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../runtime/errors.ts'

const AUTHOR_ENTRY = fileURLToPath(new URL('../author/index.ts', import.meta.url))
const ISOLATE_GLOBALS = fileURLToPath(new URL('../author/isolate-globals.d.ts', import.meta.url))

export interface TypeCheck {
  /** `functions/a.ts(3,7): error TS2322: …`, with what the compiler says below it. */
  errors: string[]
  /** Why nothing was checked. */
  skipped?: string
}

/** `files` are absolute. Throws `FN_BUILD_FAILED` when the compiler itself fails. */
export async function checkTypes(projectDir: string, files: readonly string[]): Promise<TypeCheck> {
  const compiler = await findCompiler(projectDir)
  if (compiler === undefined) {
    return {
      errors: [],
      skipped: `types are not checked: ${projectDir} has no typescript; npm install --save-dev typescript`,
    }
  }
  // Outside the project, where nothing can be left behind by a kill.
  const dir = await mkdtemp(path.join(os.tmpdir(), 'millrace-types-'))
  try {
    const config = path.join(dir, 'tsconfig.json')
    await writeFile(config, JSON.stringify(compilerConfig(projectDir, files)))
    return { errors: await runCompiler(compiler, config, projectDir) }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** The compiler's script; `undefined` where the project has none. */
async function findCompiler(projectDir: string): Promise<string | undefined> {
  const manifest = resolveFrom(projectDir, 'typescript/package.json')
  if (manifest === undefined) return undefined
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { bin?: { tsc?: string } }
  return bin?.tsc === undefined ? undefined : path.resolve(path.dirname(manifest), bin.tsc)
}

function resolveFrom(dir: string, name: string): string | undefined {
  try {
    return createRequire(path.join(dir, 'package.json')).resolve(name)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined
    throw error
  }
}

function compilerConfig(projectDir: string, files: readonly string[]): object {
  const own = path.join(projectDir, 'tsconfig.json')
  return {
    ...(existsSync(own) ? { extends: own } : {}),
    compilerOptions: {
      ...(existsSync(own) ? {} : { strict: true, module: 'esnext', moduleResolution: 'bundler' }),
      target: 'es2024',
      lib: ['es2024'],
      types: [],
      noEmit: true,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      skipLibCheck: true,
      // A project that has the package installed needs no help, and may have `paths` of its own.
      ...(resolveFrom(projectDir, 'millrace') === undefined
        ? { paths: { millrace: [AUTHOR_ENTRY] } }
        : {}),
    },
    files: [...files, ISOLATE_GLOBALS],
    include: [],
  }
}

function runCompiler(compiler: string, config: string, cwd: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [compiler, '--pretty', 'false', '-p', config], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (status) => {
      const output = Buffer.concat(chunks).toString()
      const errors = errorsIn(output)
      if (status === 0 || errors.length > 0) resolve(errors)
      else reject(new MillraceError('FN_BUILD_FAILED', `The TypeScript compiler failed: ${output}`))
    })
  })
}

/** One entry an error; the indented lines that follow it belong to it. */
function errorsIn(output: string): string[] {
  return output
    .split(/\n(?=\S)/)
    .map((block) => block.trimEnd())
    .filter((block) => /error TS\d+/.test(block))
}
