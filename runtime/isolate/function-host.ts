/**
 * One function in a worker: the isolate that takes new events, and up to two older ones that finish
 * what they have. Worker side.
 */
import type { Fault } from '../contract/outcome.ts'
import type { FromWorker, IsolateLimits, LossCause } from '../contract/worker-messages.ts'
import { Drive, type DriveListener, type EventsText } from './drive.ts'
import { Guest, textOf, type CachedScript } from './guest.ts'

const MAX_DRAINING = 2
const TIMED_OUT = 'Script execution timed out.'

export interface HostOptions {
  function: number
  kernel: CachedScript
  bundle: CachedScript
  limits: IsolateLimits
  send(message: FromWorker, payload?: Buffer): void
  answer(id: number, rows: string, texts: string): void
}

export class FunctionHost implements DriveListener {
  readonly #options: HostOptions
  readonly #queue: EventsText[] = []
  #current: Drive | undefined
  #draining: Drive[] = []
  #closed = false

  constructor(options: HostOptions) {
    this.#options = options
  }

  async load(): Promise<void> {
    const guest = await this.#create()
    if (guest === undefined) return
    this.#send({ type: 'loaded', function: this.#options.function, exports: guest.exports })
    this.#use(guest)
  }

  /** As `load`, but only to ask for the metadata. */
  async probe(): Promise<void> {
    const guest = await this.#create()
    if (guest === undefined) return
    try {
      const metadata = await guest.metadata()
      const { function: id } = this.#options
      this.#send({ type: 'loaded', function: id, exports: guest.exports }, Buffer.from(metadata))
    } catch (error) {
      this.#initFailed(error)
    } finally {
      guest.dispose()
    }
  }

  deliver(events: EventsText): void {
    this.#queue.push(events)
    this.#current?.wake()
  }

  /** Nobody waits any more for what is in its isolates. */
  close(): void {
    this.#closed = true
    this.#queue.length = 0
    for (const drive of this.#drives()) drive.end('evicted', false)
    this.#current = undefined
    this.#draining = []
  }

  next(drive: Drive): EventsText | undefined {
    return drive === this.#current ? this.#queue.shift() : undefined
  }

  answered(rows: string, texts: string): void {
    if (rows !== '') this.#options.answer(this.#options.function, rows, texts)
  }

  rejected(message: string): void {
    const text = `unhandled rejection: ${message}`.slice(0, 4_096)
    const { function: id } = this.#options
    this.#send({ type: 'line', function: id, level: 'error' }, Buffer.from(text))
  }

  lost(drive: Drive, casualties: ReturnType<Drive['end']>): void {
    this.#send({ type: 'isolate-lost', function: this.#options.function, ...casualties })
    this.#draining = this.#draining.filter((one) => one !== drive)
    if (drive === this.#current) this.#replace()
  }

  worn(drive: Drive, reason: 'zombie' | 'heap'): void {
    if (drive !== this.#current) return
    this.#send({ type: 'isolate-replaced', function: this.#options.function, reason })
    this.#draining.push(drive)
    if (this.#draining.length > MAX_DRAINING) this.#evict(this.#draining.shift() as Drive)
    this.#replace()
  }

  empty(drive: Drive): void {
    if (drive === this.#current) return
    drive.end('evicted', false)
    this.#draining = this.#draining.filter((one) => one !== drive)
  }

  #evict(drive: Drive): void {
    const casualties = drive.end('evicted', false)
    this.#send({ type: 'isolate-lost', function: this.#options.function, ...casualties })
  }

  #replace(): void {
    this.#current = undefined
    void this.#create().then((guest) => {
      if (guest !== undefined) this.#use(guest)
    })
  }

  #use(guest: Guest): void {
    if (this.#closed) return guest.dispose()
    this.#current = new Drive(guest, this)
    this.#current.wake()
  }

  async #create(): Promise<Guest | undefined> {
    const { kernel, bundle, limits } = this.#options
    try {
      return await Guest.create({ kernel, bundle, limits, onStuck: (cause) => this.#stuck(cause) })
    } catch (error) {
      this.#initFailed(error)
      return undefined
    }
  }

  #initFailed(error: unknown): void {
    for (const drive of this.#draining) drive.end('evicted', false)
    this.#draining = []
    this.#queue.length = 0
    this.#send({
      type: 'init-failed',
      function: this.#options.function,
      fault: initFault(error, this.#options.limits),
    })
  }

  /** All that is in the isolates of this function is told as one: the process is about to be killed. */
  #stuck(cause: LossCause): void {
    const [first, ...others] = this.#drives().map((drive) => drive.end(cause, false))
    const lists = { together: [], suspended: [], done: [], waiting: [] }
    const all = first ?? { cause, starved: false, running: -1, ...lists }
    for (const one of others) {
      all.suspended.push(...one.suspended, ...one.together)
      if (one.running >= 0) all.suspended.push(one.running)
      all.done.push(...one.done)
      all.waiting.push(...one.waiting)
    }
    for (const events of this.#queue) all.waiting.push(...events.slots)
    this.#send({ type: 'tainted', function: this.#options.function, ...all })
  }

  #drives(): Drive[] {
    return [...(this.#current === undefined ? [] : [this.#current]), ...this.#draining]
  }

  #send(message: FromWorker, payload?: Buffer): void {
    this.#options.send(message, payload)
  }
}

function initFault(error: unknown, limits: IsolateLimits): Fault {
  const thrown = error instanceof Error ? error : new Error(String(error))
  const message =
    thrown.message === TIMED_OUT
      ? `the module's own code ran longer than ${limits.initMs} ms`
      : thrown.message
  return {
    code: 'FN_HANDLER_INIT',
    class: thrown.name.slice(0, 100),
    message: message.slice(0, 2_000),
    stack: textOf(thrown).slice(0, 8_000),
  }
}
