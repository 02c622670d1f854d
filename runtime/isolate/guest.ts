/**
 * One isolate of isolated-vm with the kernel and one function in it. Worker side: the supervisor must
 * never load this file.
 *
 * Rules (each was seen to break otherwise): one call in flight an isolate; nothing of the host is
 * handed in but text, numbers and the marks; strings cross inside copied arrays in both directions,
 * since a bare string is kept outside the heap and not collected in time; after a timeout the isolate
 * is disposed.
 */
import ivm from 'isolated-vm'
import type { IsolateLimits, LossCause } from '../contract/worker-messages.ts'
import { START_BUDGET_MS } from './kernel-protocol.ts'
import { MARKS_BYTES, marksOver, type Marks } from './marks.ts'

/** Beyond the limit, for the machinery around a handler's stretch. */
const PUMP_MARGIN_MS = 20
/** After the time limit; then it did not stop by itself and is disposed. */
const OVERRUN_MS = 100
/** After the disposal; then its thread cannot be stopped at all. */
const STUCK_MS = 250
/** Below this share of a processor a timeout says more about the machine than about the handler. */
const STARVED_SHARE = 0.5
const TIMED_OUT = 'Script execution timed out.'

/** A script with the code that V8 made of it the last time. */
export interface CachedScript {
  code: string
  file: string
  cache?: ivm.ExternalCopy<ArrayBuffer>
}

export interface GuestOptions {
  kernel: CachedScript
  bundle: CachedScript
  limits: IsolateLimits
  /** A thread of this process is lost: only the end of the process gets it back. */
  onStuck(cause: LossCause): void
}

export type PumpOutcome =
  | { kind: 'answer'; rows: string; texts: string }
  /** A promise was rejected and nobody looked: the answer is still there (`PUMP.keep`). */
  | { kind: 'rejection'; message: string }
  | { kind: 'lost'; cause: LossCause; starved: boolean }

type Frames = Array<number | string>
type Call<Args extends unknown[]> = ivm.Reference<(...args: Args) => string[]>

interface GuestKernel {
  pump(flags: number, frames: Frames): string[]
  take(batchMax: number): string[]
  metadata(): string[]
}

export class Guest {
  readonly marks: Marks
  readonly #isolate: ivm.Isolate
  readonly #options: GuestOptions
  #pump: Call<[number, Frames]> | undefined
  #metadata: Call<[]> | undefined
  exports: string[] = []
  #disposed = false

  /** Throws what the function's own code threw, or a `LoadFailure`. */
  static async create(options: GuestOptions): Promise<Guest> {
    const guest = new Guest(options)
    try {
      await guest.#load()
      return guest
    } catch (error) {
      guest.dispose()
      throw error
    }
  }

  private constructor(options: GuestOptions) {
    this.#options = options
    this.#isolate = new ivm.Isolate({
      memoryLimit: options.limits.memoryMiB,
      onCatastrophicError: () => options.onStuck('memory'),
    })
    const memory = new SharedArrayBuffer(MARKS_BYTES)
    this.marks = marksOver(memory)
  }

  async #load(): Promise<void> {
    const { kernel, bundle, limits } = this.#options
    const context = await this.#isolate.createContext()
    const boot = await (await this.#compile(kernel)).run(context, { reference: true })
    const memory = new ivm.ExternalCopy(this.marks.ints.buffer).copyInto()
    const api = (await boot.apply(undefined, [memory], {
      result: { reference: true },
    })) as ivm.Reference<GuestKernel>
    this.#pump = await api.get('pump', { reference: true })
    this.#metadata = await api.get('metadata', { reference: true })
    const take: Call<[number]> = await api.get('take', { reference: true })
    await this.#watched(limits.initMs, async () => {
      const script = await this.#compile(bundle)
      await script.run(context, { timeout: limits.initMs })
      script.release()
    })
    const [names] = await take.apply(undefined, [limits.batchMax], copied(limits.initMs))
    this.exports = JSON.parse(names as string) as string[]
    for (const reference of [boot, api, take]) reference.release()
  }

  async #compile(script: CachedScript): Promise<ivm.Script> {
    const { code, file: filename, cache } = script
    if (cache !== undefined) {
      return this.#isolate.compileScript(code, { filename, cachedData: cache })
    }
    const compiled = await this.#isolate.compileScript(code, { filename, produceCachedData: true })
    const { cachedData } = compiled as { cachedData?: ivm.ExternalCopy<ArrayBuffer> }
    if (cachedData !== undefined) script.cache = cachedData
    return compiled
  }

  async metadata(): Promise<string> {
    const call = this.#metadata as Call<[]>
    const { initMs } = this.#options.limits
    const [json] = await this.#watched(initMs, () => call.apply(undefined, [], copied(initMs)))
    return json as string
  }

  /** `frames`: pairs of header units and text. Never rejects; stays pending if the thread is stuck. */
  async pump(flags: number, frames: Frames): Promise<PumpOutcome> {
    const call = this.#pump as Call<[number, Frames]>
    const limitMs = START_BUDGET_MS + this.#options.limits.cpuMs + PUMP_MARGIN_MS
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    try {
      const [rows, texts] = await this.#watched(limitMs, () =>
        call.apply(undefined, [flags, frames], { ...copied(limitMs), arguments: { copy: true } }),
      )
      return { kind: 'answer', rows: rows as string, texts: texts as string }
    } catch (error) {
      const timedOut = error instanceof Error && error.message === TIMED_OUT
      if (!timedOut && !this.#isolate.isDisposed) {
        return { kind: 'rejection', message: textOf(error) }
      }
      const cpu = process.cpuUsage(cpuBefore)
      const share = (cpu.user + cpu.system) / 1_000 / (performance.now() - startedAt)
      // Disposed by ourselves for want of an end, or by isolated-vm for want of memory.
      const cause = timedOut || this.#disposed ? 'cpu' : 'memory'
      this.dispose()
      return { kind: 'lost', cause, starved: cause === 'cpu' && share < STARVED_SHARE }
    }
  }

  /** Share of the memory limit that is in use, between 0 and 1 or a little more. */
  async heapShare(): Promise<number> {
    if (this.#isolate.isDisposed) return 0
    const stats = await this.#isolate.getHeapStatistics().catch((error: unknown) => {
      if (this.#isolate.isDisposed) return undefined // ended meanwhile
      throw error
    })
    if (stats === undefined) return 0
    const used = stats.used_heap_size + stats.externally_allocated_size
    return used / (this.#options.limits.memoryMiB * 1024 * 1024)
  }

  dispose(): void {
    this.#disposed = true
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }

  /** Runs one call. isolated-vm's own limit does not reach all of it: getters of a thrown value, natives. */
  async #watched<Result>(limitMs: number, call: () => Promise<Result>): Promise<Result> {
    let timer = setTimeout(() => {
      this.dispose()
      timer = setTimeout(() => this.#options.onStuck('cpu'), STUCK_MS)
    }, limitMs + OVERRUN_MS)
    try {
      return await call()
    } finally {
      clearTimeout(timer)
    }
  }
}

function copied(timeout: number): { timeout: number; result: { copy: true } } {
  return { timeout, result: { copy: true } }
}

export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.stack ?? `${error.name}: ${error.message}`
}
