/**
 * Puts a build where the runtime finds it, all or nothing: a reader sees the old build or the new one,
 * and a build that fails half-way leaves the old one.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Manifest } from '../runtime/contract/manifest.ts'
import type { FunctionBundle } from '../runtime/contract/work.ts'
import { MillraceError } from '../runtime/errors.ts'
import { MANIFEST_FILE } from './manifest-file.ts'

/** Throws `FN_CONFIG_INVALID` when `outDir` holds something that is no build: it would be replaced. */
export async function writeBuild(
  outDir: string,
  manifest: Manifest,
  bundles: ReadonlyMap<string, FunctionBundle>,
): Promise<void> {
  const target = path.resolve(outDir)
  await refuseForeignFolder(target)
  // Beside the target, because a rename does not cross file systems. Not `mkdtemp`: its folders are
  // closed to other users, and an image runs as another one than built it.
  const fresh = `${target}.new-${randomUUID()}`
  await mkdir(fresh, { recursive: true })
  try {
    await writeFiles(fresh, manifest, bundles)
    await swap(fresh, target)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
}

async function writeFiles(
  dir: string,
  manifest: Manifest,
  bundles: ReadonlyMap<string, FunctionBundle>,
): Promise<void> {
  for (const { name, bundle, map } of manifest.functions) {
    const files = bundles.get(name)
    if (files === undefined) {
      throw new MillraceError('FN_BUILD_FAILED', `The manifest names ${name}, which has no bundle`)
    }
    await writeFile(path.join(dir, bundle), files.code)
    await writeFile(path.join(dir, map), files.map)
  }
  await writeFile(path.join(dir, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** A folder cannot be renamed onto a full one, so the old build steps aside first. */
async function swap(fresh: string, target: string): Promise<void> {
  const aside = `${fresh}.old`
  const replaced = await renameIfThere(target, aside)
  try {
    await rename(fresh, target)
  } catch (error) {
    if (replaced) await rename(aside, target)
    throw error
  }
  await rm(aside, { recursive: true, force: true })
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function refuseForeignFolder(target: string): Promise<void> {
  const names = await entriesOf(target)
  const isBuild = names.includes(MANIFEST_FILE)
  const foreign = names.filter(
    (name) => !isBuild || (name !== MANIFEST_FILE && !/\.js(\.map)?$/.test(name)),
  )
  if (foreign.length === 0) return
  throw new MillraceError(
    'FN_CONFIG_INVALID',
    `The output folder ${target} holds what no build wrote (${foreign.slice(0, 3).join(', ')}) and is replaced whole by each build: name another folder`,
  )
}

async function entriesOf(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') {
      throw new MillraceError('FN_CONFIG_INVALID', `${dir} is a file, not a folder to build into`, {
        cause: error,
      })
    }
    throw error
  }
}
