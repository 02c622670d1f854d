/**
 * One worker process as the supervisor sees it: a socket for frames, a watch on its memory and on
 * whether it still answers, and SIGKILL as the only way to end it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { FromWorker, ToWorker } from '../contract/worker-messages.ts'
import { FrameReader, encodeFrame } from './frames.ts'
import { ResidentMemory } from './resident-memory.ts'
import { checkedMessage } from './worker-answer.ts'
import type { IsolateScripts } from './scripts.ts'

const MAX_FRAME_BYTES = 64 * 1024 * 1024
const WATCH_BUSY_MS = 25
const WATCH_IDLE_MS = 500
/** Silence of a busy worker before it is asked, and then before it is given up. */
const ASK_AFTER_MS = 500
const GIVE_UP_AFTER_MS = 4_000
const MAX_STDERR_CHARS = 8_192

/** Why a worker ended. `exited`: by itself, which means a crash. */
export type WorkerEnd = 'closed' | 'memory' | 'silent' | 'stuck' | 'bad-frame' | 'exited'

export interface WorkerListener {
  /** May throw; then the worker is killed as one that cannot be trusted. */
  message(message: FromWorker, payload: Buffer): void
  ended(end: WorkerEnd, detail: string): void
  output(text: string): void
  /** Whether it has work: how closely it is watched. */
  isBusy(): boolean
  /** It answers, but its work does not come back. */
  isStalled(): boolean
  memoryCapBytes(baseBytes: number): number
}

export class WorkerProcess {
  readonly pid: number | undefined
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #listener: WorkerListener
  readonly #memory: ResidentMemory | undefined
  readonly #ended: Promise<void>
  #reason: WorkerEnd | undefined
  #detail = ''
  #stderr = ''
  #watch: NodeJS.Timeout | undefined
  #heardAt = performance.now()
  #askedAt = 0
  #lastPing = 0
  /** Resident bytes before any function was loaded. */
  #baseBytes = 0

  constructor(scripts: IsolateScripts, listener: WorkerListener) {
    this.#listener = listener
    this.#child = spawn(process.execPath, workerArguments(scripts.addon), {
      env: {},
      cwd: '/',
      // The program, output to be logged, and the socket for frames.
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.pid = this.#child.pid
    this.#socket = this.#child.stdio[3] as Socket
    this.#memory = this.pid === undefined ? undefined : ResidentMemory.of(this.pid)
    this.#ended = new Promise((resolve) => this.#listenForEnd(resolve))
    this.#listen()
    this.#sacrificeFirst()
    this.#child.stdin?.on('error', () => {})
    this.#child.stdin?.end(scripts.worker)
    this.send({ type: 'boot' }, Buffer.from(scripts.kernel))
    this.#scheduleWatch()
  }

  /** 0 where it cannot be read. */
  residentBytes(): number {
    return this.#memory?.bytes() ?? 0
  }

  send(message: ToWorker, payload?: Buffer): void {
    this.write(encodeFrame(message, payload))
  }

  write(frame: Buffer): void {
    if (this.#reason === undefined && this.#socket.writable) this.#socket.write(frame)
  }

  /** Resolves when the process is gone. Idempotent. */
  kill(reason: WorkerEnd, detail = ''): Promise<void> {
    if (this.#reason === undefined) {
      this.#reason = reason
      this.#detail = detail
      clearTimeout(this.#watch)
      this.#child.kill('SIGKILL')
    }
    return this.#ended
  }

  #listen(): void {
    const reader = new FrameReader(MAX_FRAME_BYTES)
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#reason !== undefined) return
      this.#heardAt = performance.now()
      try {
        reader.push(chunk, ({ header, payload }) => {
          // What follows the frame that gave it away counts for nothing.
          if (this.#reason !== undefined) return
          const message = checkedMessage(header)
          if (message.type === 'ready') this.#baseBytes = this.#memory?.bytes() ?? 0
          this.#listener.message(message, payload)
        })
      } catch (error) {
        void this.kill('bad-frame', error instanceof Error ? error.message : String(error))
      }
    })
    // The end of the process says all there is to say.
    this.#socket.on('error', () => {})
    this.#child.stdout?.on('data', (text: Buffer) => this.#listener.output(text.toString('utf8')))
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8')
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS)
      this.#listener.output(text)
    })
  }

  #listenForEnd(resolve: () => void): void {
    const end = (detail: string): void => {
      clearTimeout(this.#watch)
      this.#memory?.close()
      this.#socket.destroy()
      resolve()
      const ranOut = /heap out of memory|Allocation failed|heap limit/i.test(this.#stderr)
      this.#listener.ended(
        this.#reason ?? (ranOut ? 'memory' : 'exited'),
        this.#detail === '' ? detail : this.#detail,
      )
      this.#reason ??= 'exited'
    }
    this.#child.once('error', (error) => end(error.message))
    this.#child.once('close', (code, signal) => end(signal ?? `exit code ${code}`))
  }

  /** Where memory runs out, the kernel is to take a worker, not the supervisor. */
  #sacrificeFirst(): void {
    if (this.pid === undefined) return
    writeFile(`/proc/${this.pid}/oom_score_adj`, '900').catch((error: unknown) => {
      this.#listener.output(`oom_score_adj was not set: ${String(error)}`)
    })
  }

  #scheduleWatch(): void {
    const delayMs = this.#listener.isBusy() ? WATCH_BUSY_MS : WATCH_IDLE_MS
    this.#watch = setTimeout(() => this.#look(), delayMs)
  }

  /** Work begins: the next look must not be half a second away. */
  watchClosely(): void {
    if (this.#reason !== undefined) return
    clearTimeout(this.#watch)
    this.#heardAt = Math.max(this.#heardAt, performance.now() - WATCH_BUSY_MS)
    this.#scheduleWatch()
  }

  #look(): void {
    const bytes = this.#memory?.bytes() ?? 0
    const cap = this.#listener.memoryCapBytes(this.#baseBytes)
    if (bytes > cap) {
      void this.kill('memory', `${mib(bytes)} MiB resident, ${mib(cap)} MiB allowed`)
      return
    }
    if (this.#listener.isBusy() && (this.#isSilent() || this.#listener.isStalled())) {
      void this.kill('silent', 'no answer in time')
      return
    }
    this.#scheduleWatch()
  }

  #isSilent(): boolean {
    const now = performance.now()
    if (now - this.#heardAt < ASK_AFTER_MS) return false
    if (this.#askedAt < this.#heardAt) {
      this.#askedAt = now
      this.send({ type: 'ping', seq: ++this.#lastPing })
      return false
    }
    return now - this.#askedAt > GIVE_UP_AFTER_MS
  }
}

function workerArguments(addon: string): string[] {
  return [
    // isolated-vm and Node's own snapshot do not go together (isolated-vm README).
    '--no-node-snapshot',
    '--permission',
    '--allow-addons',
    `--allow-fs-read=${addon}`,
    '--disallow-code-generation-from-strings',
    '--wasm-max-mem-pages=16',
    // Heaps are small: helper threads cost more than they save (measured: a fifth of the CPU time).
    '--single-threaded-gc',
    '--disable-warning=SecurityWarning',
    '-',
  ]
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
