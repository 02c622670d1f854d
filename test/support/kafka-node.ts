/** One Kafka process: its files, its JVM, and a shell between us that kills it when we die. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, type KafkaInstall } from './kafka-install.ts'

const START_DEADLINE_MS = 180_000

/**
 * The JVM outlives nobody: the shell reads its stdin, which ends when the test process does, however
 * that ends, and then kills the JVM and removes the folder (second argument).
 */
const WATCHDOG = `
log=$1; dir=$2; shift 2
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
  rm -rf "$dir"
) >/dev/null 2>&1 &
watch=$!
wait $pid
kill $watch
`

export interface JvmOptions {
  /** Full just-in-time compilation, for measurements; tests start faster without. */
  fullJit?: boolean
  heapMiB?: number
}

export interface RunningNode {
  pid: number
  /** Sends the signal, unless the JVM has ended, and waits for its end. */
  end: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>
}

export function jvmFlags(install: KafkaInstall, options: JvmOptions): string[] {
  return [
    `-Xmx${options.heapMiB ?? 512}m`,
    '-XX:+UseSerialGC',
    '-XX:-UsePerfData',
    ...(options.fullJit ? [] : ['-XX:TieredStopAtLevel=1']),
    `-XX:SharedArchiveFile=${install.archive}`,
    '-Xlog:cds=off',
    '-Xlog:cds+dynamic=off',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
    '-cp',
    install.classPath,
  ]
}

/** Starts the node whose `server.properties` lie in `directory`; resolves when it serves. */
export async function startNode(
  directory: string,
  root: string,
  flags: string[],
): Promise<RunningNode> {
  const log = path.join(directory, `server-${Date.now()}.log`)
  const properties = path.join(directory, 'server.properties')
  const shell = spawn(
    'sh',
    ['-c', WATCHDOG, 'sh', log, root, 'java', ...flags, 'kafka.Kafka', properties],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  const ended = once(shell, 'exit').then(() => shell.stdin.destroy())
  const [first] = (await once(shell.stdout, 'data')) as [Buffer]
  const pid = Number(first.toString().trim())
  // The watchdog must not keep the test process alive: a forgotten stop() ends it instead.
  unref(shell)
  await ready(shell, log)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    shell.ref()
    if (isAlive(pid)) process.kill(pid, signal)
    await ended
  }
  return { pid, end }
}

function unref(shell: ChildProcess): void {
  shell.unref()
  for (const stream of [shell.stdin, shell.stdout]) {
    ;(stream as unknown as { unref?: () => void } | null)?.unref?.()
  }
}

async function ready(shell: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    const text = await readFile(log, 'utf8').catch(() => '')
    if (text.includes('Kafka Server started')) return
    if (shell.exitCode !== null) throw new Error(`Kafka did not start:\n${text.slice(-4_000)}`)
    if (Date.now() > deadline) {
      shell.stdin?.end()
      throw new Error(`Kafka did not start in ${START_DEADLINE_MS} ms:\n${text.slice(-4_000)}`)
    }
    await delay(50)
  }
}
