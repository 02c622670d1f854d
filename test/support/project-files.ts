import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'

/** A folder with these files (path → content), removed after the test. The real path of it. */
export async function projectFiles(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const dir = await realpath(await mkdtemp(path.join(os.tmpdir(), 'millrace-project-')))
  t.after(() => rm(dir, { recursive: true, force: true }))
  await writeFiles(dir, files)
  return dir
}

export async function writeFiles(
  dir: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(dir, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content)
  }
}
