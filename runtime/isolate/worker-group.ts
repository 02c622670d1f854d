/**
 * One worker process and the functions in it: starts it, loads them, starts it again when it ends, and
 * brings each message to the function it is about.
 */
import type { Logger } from '../contract/log.ts'
import type { Fault } from '../contract/outcome.ts'
import type { Casualties, FromWorker, IsolateLimits } from '../contract/worker-messages.ts'
import type { Loss } from './blame.ts'
import type { IsolateScripts } from './scripts.ts'
import { WorkerProcess, type WorkerEnd } from './worker-process.ts'

const INIT_MS = 1_000
const RESPAWN_DELAYS_MS = [0, 100, 500, 2_000, 10_000, 30_000] as const
/** A worker that dies of its work is not to keep other work waiting for long. */
const MAX_BUSY_DELAY = 2
const RELOAD_DELAYS_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const
const MIB = 1024 * 1024
/** For what the process itself grows by, and for how late the watch may look. */
const PROCESS_ROOM_BYTES = 64 * MIB
/** For what an isolate uses outside its heap. */
const ISOLATE_ROOM_BYTES = 32 * MIB

/** A function as its worker group sees it. */
export interface Tenant {
  readonly name: string
  readonly code: Buffer
  readonly limits: Omit<IsolateLimits, 'initMs'>
  /** From now on frames may go to the function `id`. */
  loaded(id: number): void
  /** It did not load. With `again` the group tries again after a while. */
  initFailed(fault: Fault): 'again' | 'leave'
  /** May throw `BadFrame`. */
  results(payload: Buffer, rowsBytes: number): void
  /** May throw `BadFrame`. */
  isolateLost(casualties: Casualties): void
  /** The process is gone and with it all that was in flight there. */
  workerLost(loss: Loss, mine: boolean): void
  line(level: 'debug' | 'info' | 'warn' | 'error', text: string): void
  isBusy(): boolean
  /** Nothing came back for longer than any of its handlers may take. */
  isStalled(): boolean
}

export interface GroupOptions {
  name: string
  scripts: IsolateScripts
  log: Logger
  /** An isolate (`name` is its function) or the whole worker (`name` is the group) was ended by force. */
  ended: (name: string, reason: string) => void
}

export class WorkerGroup {
  readonly #options: GroupOptions
  readonly #tenants = new Map<Tenant, { reloads: number }>()
  readonly #byId = new Map<number, Tenant>()
  #toLoad: Tenant[] = []
  #loading: { id: number; tenant: Tenant } | undefined
  #worker: WorkerProcess | undefined
  #isReady = false
  #closed = false
  #timer: NodeJS.Timeout | undefined
  /** Ends in a row without a result in between. */
  #deaths = 0
  #lastId = 0
  /** Room for the isolates that this worker has had at once: what it grew by may not go back at once. */
  #roomBytes = 0

  constructor(options: GroupOptions) {
    this.#options = options
  }

  /** Functions that are in it. */
  get size(): number {
    return this.#tenants.size
  }

  join(tenant: Tenant): void {
    this.#tenants.set(tenant, { reloads: 0 })
    this.#toLoad.push(tenant)
    this.#makeRoom()
    if (this.#worker === undefined && this.#timer === undefined) this.#start()
    this.#loadNext()
  }

  /** Ends its isolate; what was in flight there comes back. The group goes on, also without functions. */
  leave(tenant: Tenant): void {
    if (!this.#tenants.delete(tenant)) return
    this.#toLoad = this.#toLoad.filter((one) => one !== tenant)
    for (const [id, one] of this.#byId) if (one === tenant) this.#unload(id)
    tenant.workerLost('closed', false)
  }

  write(frame: Buffer): void {
    this.#worker?.write(frame)
    this.#worker?.watchClosely()
  }

  /** Resident memory of the worker, 0 while there is none. */
  residentBytes(): number {
    return this.#worker?.residentBytes() ?? 0
  }

  /** Tells that an isolate of one of its functions was ended by force. */
  lostIsolate(name: string, cause: string): void {
    this.#options.ended(name, cause)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#worker?.kill('closed')
  }

  #start(): void {
    this.#timer = undefined
    this.#isReady = false
    this.#roomBytes = 0
    this.#makeRoom()
    const worker = new WorkerProcess(this.#options.scripts, {
      message: (message, payload) => this.#take(message, payload),
      ended: (end, detail) => this.#ended(end, detail),
      output: (text) =>
        this.#options.log.warn({ worker: this.#options.name, text }, 'worker output'),
      isBusy: () => this.#loading !== undefined || this.#some((tenant) => tenant.isBusy()),
      isStalled: () => this.#some((tenant) => tenant.isStalled()),
      memoryCapBytes: (baseBytes) => baseBytes + PROCESS_ROOM_BYTES + this.#roomBytes,
    })
    this.#worker = worker
  }

  #makeRoom(): void {
    let bytes = 0
    for (const { limits } of this.#tenants.keys()) {
      bytes += limits.memoryMiB * MIB + ISOLATE_ROOM_BYTES
    }
    this.#roomBytes = Math.max(this.#roomBytes, bytes)
  }

  /** One at a time: if the process dies meanwhile, it is known of whom. */
  #loadNext(): void {
    if (!this.#isReady || this.#loading !== undefined) return
    const tenant = this.#toLoad.shift()
    if (tenant === undefined) return
    const id = ++this.#lastId
    this.#loading = { id, tenant }
    const { name, code } = tenant
    const limits = { ...tenant.limits, initMs: INIT_MS }
    this.#worker?.send({ type: 'load', function: id, name, limits, probe: false }, code)
    this.#worker?.watchClosely()
  }

  #take(message: FromWorker, payload: Buffer): void {
    switch (message.type) {
      case 'ready':
        this.#isReady = true
        return this.#loadNext()
      case 'pong':
        return
      case 'loaded':
        return this.#loaded(message.function)
      case 'init-failed':
        return this.#initFailed(message.function, message.fault)
      case 'results':
        this.#deaths = 0
        return this.#byId.get(message.function)?.results(payload, message.rowsBytes)
      case 'isolate-lost':
        return this.#byId.get(message.function)?.isolateLost(message)
      case 'tainted':
        return this.#tainted(message)
      case 'isolate-replaced': {
        const { reason } = message
        const name = this.#byId.get(message.function)?.name
        return this.#options.log.info({ function: name, reason }, 'isolate replaced')
      }
      case 'line':
        return this.#byId.get(message.function)?.line(message.level, payload.toString('utf8'))
      default:
        return message satisfies never
    }
  }

  #loaded(id: number): void {
    const loading = this.#loading
    // An answer to a load that was given up.
    if (loading?.id !== id) return
    this.#loading = undefined
    const entry = this.#tenants.get(loading.tenant)
    if (entry !== undefined) {
      entry.reloads = 0
      this.#byId.set(id, loading.tenant)
      loading.tenant.loaded(id)
    } else {
      this.#unload(id)
    }
    this.#loadNext()
  }

  #unload(id: number): void {
    this.#byId.delete(id)
    this.#worker?.send({ type: 'unload', function: id })
  }

  #initFailed(id: number, fault: Fault): void {
    const loading = this.#loading?.id === id ? this.#loading.tenant : undefined
    if (loading !== undefined) this.#loading = undefined
    const tenant = loading ?? this.#byId.get(id)
    this.#unload(id)
    if (tenant !== undefined) this.#disable(tenant, fault)
    this.#loadNext()
  }

  #disable(tenant: Tenant, fault: Fault): void {
    const entry = this.#tenants.get(tenant)
    if (entry === undefined) return
    if (tenant.initFailed(fault) === 'leave') {
      this.#tenants.delete(tenant)
      return
    }
    const delayMs = RELOAD_DELAYS_MS[Math.min(entry.reloads++, RELOAD_DELAYS_MS.length - 1)]
    setTimeout(() => {
      if (this.#closed || !this.#tenants.has(tenant) || this.#toLoad.includes(tenant)) return
      this.#toLoad.push(tenant)
      this.#loadNext()
    }, delayMs).unref()
  }

  #tainted(message: Extract<FromWorker, { type: 'tainted' }>): void {
    if (this.#loading?.id === message.function) {
      const fault: Fault = {
        code: 'FN_HANDLER_INIT',
        class: 'CpuLimit',
        message: `the module's own code did not stop after ${INIT_MS} ms`,
      }
      this.#initFailed(message.function, fault)
    } else {
      this.#byId.get(message.function)?.isolateLost(message)
    }
    void this.#worker?.kill('stuck', `${message.cause} in one isolate`)
  }

  #ended(end: WorkerEnd, detail: string): void {
    const wasBusy = this.#some((tenant) => tenant.isBusy())
    const loading = this.#loading?.tenant
    const loaded = [...this.#byId.values()]
    this.#worker = undefined
    this.#isReady = false
    this.#loading = undefined
    this.#byId.clear()
    if (end !== 'closed') {
      const { name, log } = { name: this.#options.name, log: this.#options.log }
      log.warn({ worker: name, end, detail }, 'worker process ended; it is started again')
      this.#options.ended(name, end)
    }
    // `stuck` was told with the isolate that did it; all others have no part in it.
    for (const tenant of loaded) tenant.workerLost(end, end !== 'stuck' && end !== 'closed')
    if (loading !== undefined && end !== 'closed') {
      this.#disable(loading, {
        code: 'FN_HANDLER_INIT',
        class: 'Crashed',
        message: `the worker process ended while the function was loaded: ${detail}`,
      })
    }
    if (!this.#closed) this.#startAgain(loaded, wasBusy)
  }

  #startAgain(loaded: readonly Tenant[], wasBusy: boolean): void {
    const stillHere = new Set([...loaded, ...this.#toLoad])
    this.#toLoad = [...stillHere].filter((tenant) => this.#tenants.has(tenant))
    if (this.#tenants.size === 0) return
    const most = wasBusy ? MAX_BUSY_DELAY : RESPAWN_DELAYS_MS.length - 1
    const delayMs = RESPAWN_DELAYS_MS[Math.min(this.#deaths++, most)] ?? 0
    this.#timer = setTimeout(() => this.#start(), delayMs)
  }

  #some(holds: (tenant: Tenant) => boolean): boolean {
    for (const tenant of this.#tenants.keys()) if (holds(tenant)) return true
    return false
  }
}
