/** A program of a test that outlives nobody: a shell between us kills it when we end, however that is. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { eventually } from './eventually.ts'

export interface WatchedOptions {
  /** The program and its arguments. */
  command: readonly string[]
  /** File that gets what it writes. */
  log: string
  /** Removed when we end without ending the program. */
  folder: string
  /** Default: our own. */
  env?: NodeJS.ProcessEnv
}

export interface WatchedProgram {
  readonly pid: number
  /**
   * Polls until it holds. Rejects with the end of the log, and ends the program, when that takes more
   * than three minutes, or the program ends before.
   */
  until(check: () => Promise<boolean>): Promise<void>
  /** Sends the signal, unless the program has ended, and waits for its end. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

const START_DEADLINE_MS = 180_000

/** The shell reads our pipe, which ends when we do. */
const WATCHDOG = `
log=$1; folder=$2; shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
pid=$!
echo $pid
(
  cat <&3
  # From here on the shell below must not end this one.
  trap '' TERM
  kill -9 $pid
  while kill -0 $pid; do sleep 0.1; done
  rm -rf "$folder"
) >/dev/null 2>&1 &
watch=$!
wait $pid
kill $watch
`

export async function startWatched(options: WatchedOptions): Promise<WatchedProgram> {
  const { command, log, folder, env = process.env } = options
  const shell = spawn('sh', ['-c', WATCHDOG, 'sh', log, folder, ...command], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
  })
  const ended = once(shell, 'exit').then(() => shell.stdin.destroy())
  const [first] = (await once(shell.stdout, 'data')) as [Buffer]
  const pid = Number(first.toString().trim())
  unref(shell)
  return {
    pid,
    async until(check) {
      const hasEnded = (): boolean => shell.exitCode !== null
      const name = command[0] ?? ''
      try {
        await eventually(() => hasEnded() || check(), `${name} serves`, START_DEADLINE_MS)
        if (hasEnded()) throw new Error(`${name} ended with ${shell.exitCode}`)
      } catch (error) {
        shell.stdin.destroy()
        const text = await readFile(log, 'utf8').catch(() => '')
        throw new Error(`${(error as Error).message}:\n${text.slice(-4_000)}`, { cause: error })
      }
    },
    async end(signal) {
      shell.ref()
      if (isAlive(pid)) process.kill(pid, signal)
      await ended
    },
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A forgotten stop() must not keep us alive: our end ends the program. */
function unref(shell: ChildProcess): void {
  shell.unref()
  for (const stream of [shell.stdin, shell.stdout]) {
    ;(stream as unknown as { unref?: () => void } | null)?.unref?.()
  }
}
