/** What tests need beside npm packages is made once, into a folder outside the repository. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { withLock } from '../../bin/lock.js'

/** `$MILLRACE_CACHE`, or `~/.cache/millrace`. */
export function cacheFolder(): string {
  return process.env['MILLRACE_CACHE'] ?? path.join(os.homedir(), '.cache', 'millrace')
}

/** Runs `make(target)` in one process at a time and only while `target` is missing. */
export async function onceAcrossProcesses(
  target: string,
  make: (target: string) => Promise<void>,
): Promise<void> {
  if (existsSync(target)) return
  await mkdir(path.dirname(target), { recursive: true })
  await withLock(target, async () => {
    if (!existsSync(target)) await make(target)
  })
}

/** The jars that a pom asks for, as a class path. A changed pom is another folder. */
export async function mavenJars(pom: string): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
  const target = path.join(cacheFolder(), `jars-${digest.slice(0, 16)}`)
  await onceAcrossProcesses(target, () => copyJars(pom, target))
  return path.join(target, '*')
}

/** A folder appears under its final name only when it is whole. */
export async function copyJars(pom: string, target: string): Promise<void> {
  const staging = await mkdtemp(path.join(path.dirname(target), 'staging-'))
  try {
    await run('mvn', [
      '-q',
      '-B',
      '-f',
      pom,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${path.join(staging, 'libs')}`,
    ])
    await rename(path.join(staging, 'libs'), target)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Resolves with what the command wrote; rejects unless it ends with 0. */
export async function run(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, output] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    output = (output + text).slice(-4_000)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)
  return stdout
}
