/** Runs one contender in a process of its own; what it prints is its figures. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { RUNTIME_FLAGS } from '../bin/runtime-flags.js'

export function contend(script: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=TimeoutNegativeWarning',
      ...(script === 'millrace.ts' ? RUNTIME_FLAGS : []),
      join(import.meta.dirname, script),
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.once('error', reject)
  child.once('exit', (code) => {
    if (code === 0) resolve(Buffer.concat(chunks).toString())
    else reject(new Error(`${script} ended with ${code}`))
  })
  return promise
}
