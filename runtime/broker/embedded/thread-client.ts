/** The broker's side of the log's thread: calls and their answers, and what happens when it dies. */
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../errors.ts'
import type { LogCallName, LogCalls, LogReply } from './messages.ts'

interface Waiting {
  resolve: (answer: unknown) => void
  reject: (error: Error) => void
}

export class LogThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<void>
  #lastId = 0
  #failure: MillraceError | undefined

  constructor() {
    this.#worker = new Worker(new URL('./log-thread.ts', import.meta.url), {
      // node:sqlite announces itself as experimental on the user's screen.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      name: 'millrace-log',
    })
    this.#worker.on('message', (reply: LogReply) => this.#settle(reply))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#fail()
        resolve()
      })
    })
  }

  /** Why the thread no longer answers. */
  get failure(): MillraceError | undefined {
    return this.#failure
  }

  /** Sends at once, so calls are performed in the order in which they are made. */
  call<Name extends LogCallName>(
    name: Name,
    ask: LogCalls[Name]['ask'],
    memory: ArrayBuffer[] = [],
  ): Promise<LogCalls[Name]['answer']> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      this.#worker.postMessage({ id, name, ask }, memory)
    })
  }

  /** Waits for the thread's own end until the deadline, then ends it. What waits is rejected. */
  async end(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs)
    })
    await Promise.race([this.#exited, deadline])
    clearTimeout(timer)
    await this.#worker.terminate()
  }

  #settle(reply: LogReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.ok) waiting?.resolve(reply.answer)
    else {
      const { code, message, detail } = reply.fault
      waiting?.reject(new MillraceError(code, message, { detail }))
    }
  }

  #fail(cause?: Error): void {
    this.#failure ??= new MillraceError(
      'FN_BROKER_UNAVAILABLE',
      `The thread of the embedded log has ended${cause ? `: ${cause.message}` : ''}. Start the runtime again`,
      cause ? { cause } : {},
    )
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }
}
