/**
 * `.millrace/runtime.json`: how operator commands in a project's folder find the runtime that runs there.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface RuntimeFile {
  pid: number
  version: string
  driver: 'kafka' | 'embedded'
  /** Base addresses, for example `http://127.0.0.1:8080`; the ingress's is empty where there is none. */
  ingress: string
  metrics: string
  /** Path of the admin socket. */
  admin: string
}

export function runtimeFilePath(projectDir: string): string {
  return join(projectDir, '.millrace', 'runtime.json')
}

export async function writeRuntimeFile(projectDir: string, content: RuntimeFile): Promise<void> {
  const path = runtimeFilePath(projectDir)
  await mkdir(dirname(path), { recursive: true })
  // Written whole or not at all: a command may read at any moment.
  await writeFile(`${path}.new`, `${JSON.stringify(content)}\n`)
  await rename(`${path}.new`, path)
}

/** The runtime that runs in this folder, or undefined. A file left by a killed process does not count. */
export async function readRuntimeFile(projectDir: string): Promise<RuntimeFile | undefined> {
  let content: RuntimeFile
  try {
    content = JSON.parse(await readFile(runtimeFilePath(projectDir), 'utf8')) as RuntimeFile
  } catch {
    return undefined // none, or half a file of an older version: no runtime to talk to
  }
  return isAlive(content.pid) ? content : undefined
}

export async function removeRuntimeFile(projectDir: string): Promise<void> {
  const content = await readRuntimeFile(projectDir)
  if (content?.pid === process.pid) await rm(runtimeFilePath(projectDir), { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // another user's, but alive
  }
}
