/**
 * A hard end for test files. What node:test calls a timeout is a timer in the process of the file, which
 * never fires while that process spins and does not end it when something holds it open.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** The events that tell where a file stands. */
export const FOLLOWED = ['test:dequeue', 'test:complete'] as const

export interface FileEvent {
  type: (typeof FOLLOWED)[number]
  data: { name: string; file?: string | undefined }
}

export interface FileLimitOptions {
  /** From the start of a file's process. */
  limitMs: number
  /** Told before the processes are ended; `reason` says what happened, and in which tests. */
  ending(file: string, reason: string): void
}

/** What a killed file has started may see its end and clean up before it is killed too. */
const GRACE_MS = 2_000

export class FileLimit {
  readonly #options: FileLimitOptions
  readonly #files = new Map<string, { timer: NodeJS.Timeout; running: string[] }>()

  constructor(options: FileLimitOptions) {
    this.#options = options
  }

  take({ type, data }: FileEvent): void {
    const file = fileOf(data)
    if (file === undefined) return
    if (data.name === file) {
      if (type === 'test:dequeue') this.#begin(file)
      else this.#end(file)
      return
    }
    const running = this.#files.get(file)?.running ?? []
    if (type === 'test:dequeue') running.push(data.name)
    else if (running.includes(data.name)) running.splice(running.indexOf(data.name), 1)
  }

  /** Ends the processes of the file now, as its limit does. */
  end(file: string): void {
    const known = this.#files.get(file)
    if (known === undefined) return
    const seconds = this.#options.limitMs / 1_000
    const where = known.running.length === 0 ? '' : ` It was in: ${known.running.join(' > ')}.`
    this.#options.ending(file, `It ran for more than ${seconds} s and was killed.${where}`)
    killAllOf(file)
  }

  #begin(file: string): void {
    const timer = setTimeout(() => this.end(file), this.#options.limitMs).unref()
    this.#files.set(file, { timer, running: [] })
  }

  #end(file: string): void {
    clearTimeout(this.#files.get(file)?.timer)
    this.#files.delete(file)
  }
}

/** `Reporter` and this class are told of one stream of events. */
export function isFollowed(event: { type: string }): event is FileEvent {
  return (FOLLOWED as readonly string[]).includes(event.type)
}

/** The file that was run, which may not be the one where the test stands. */
export function fileOf(data: { file?: string | undefined }): string | undefined {
  const entry: unknown = Reflect.get(data, 'entryFile')
  return typeof entry === 'string' ? entry : data.file
}

interface Process {
  pid: number
  parent: number
  /** In ticks since the machine's; with the pid it names a process for good. */
  startedAt: string
  command: string
}

/** The file's process first, and after a moment whatever it has started and is still there. */
function killAllOf(file: string): void {
  const all = processes()
  const own = all.filter(({ parent, command }) => parent === process.pid && command.includes(file))
  const started = own.flatMap(({ pid }) => descendants(pid, all))
  for (const { pid } of own) kill(pid)
  // One that holds the file's output would hold up the run.
  setTimeout(() => {
    const left = new Map(processes().map(({ pid, startedAt }) => [pid, startedAt]))
    for (const { pid, startedAt } of started) if (left.get(pid) === startedAt) kill(pid)
  }, GRACE_MS)
}

function descendants(of: number, all: readonly Process[]): Process[] {
  const children = all.filter(({ parent }) => parent === of)
  return children.flatMap((child) => [child, ...descendants(child.pid, all)])
}

function processes(): Process[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The second field is a name in brackets, which may hold anything.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return [{ pid: Number(pid), parent: Number(fields[1]), startedAt: fields[19] ?? '', command }]
    } catch {
      return [] // it has just ended
    }
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
