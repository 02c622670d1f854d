/**
 * Reads a function's exports and metadata by running its bundle in an isolate of a worker process, with
 * no grants and little time: a build must not run a function's code in its own process either.
 */
import type { Fault } from '../contract/outcome.ts'
import type { FunctionBundle } from '../contract/work.ts'
import { initError } from './init-error.ts'
import { isolateScripts, type IsolateScripts } from './scripts.ts'
import { StackMap } from './stack-map.ts'
import { WorkerProcess } from './worker-process.ts'

const INIT_MS = 1_000
const MEMORY_MIB = 128
const CAP_BYTES = 256 * 1024 * 1024
const BUNDLE_FILE = 'bundle.js'

export interface ProbeResult {
  /** As JSON carries it: functions and `undefined` are left out. `null` where none is exported. */
  metadata: unknown
  exports: string[]
}

export interface ProbeOptions {
  /** Time for the module's own code, in milliseconds. Default 1,000. */
  timeoutMs?: number
}

export interface Probe {
  /** Rejects with `FN_HANDLER_INIT`, its stack mapped, when the bundle does not load. */
  read(bundle: FunctionBundle, options?: ProbeOptions): Promise<ProbeResult>
  /** Idempotent. */
  close(): Promise<void>
}

interface Pending {
  bundle: FunctionBundle
  resolve(result: ProbeResult): void
  reject(error: Error): void
}

/** One worker process for as many bundles as there are; each gets an isolate of its own. */
export async function openProbe(): Promise<Probe> {
  const prober = new Prober(await isolateScripts())
  return {
    read: (bundle, options) => prober.read(bundle, options?.timeoutMs ?? INIT_MS),
    close: () => prober.close(),
  }
}

export async function readMetadata(
  bundle: FunctionBundle,
  options?: ProbeOptions,
): Promise<ProbeResult> {
  const probe = await openProbe()
  try {
    return await probe.read(bundle, options)
  } finally {
    await probe.close()
  }
}

class Prober {
  readonly #scripts: IsolateScripts
  readonly #pending = new Map<number, Pending>()
  #worker: WorkerProcess | undefined
  #lastId = 0

  constructor(scripts: IsolateScripts) {
    this.#scripts = scripts
  }

  read(bundle: FunctionBundle, initMs: number): Promise<ProbeResult> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#pending.set(id, { bundle, resolve, reject })
      this.#worker ??= this.#start()
      const limits = { memoryMiB: MEMORY_MIB, cpuMs: INIT_MS, initMs, batchMax: 1 }
      const payload = Buffer.from(bundle.code)
      this.#worker.send(
        { type: 'load', function: id, name: BUNDLE_FILE, limits, probe: true },
        payload,
      )
      this.#worker.watchClosely()
    })
  }

  async close(): Promise<void> {
    await this.#worker?.kill('closed')
  }

  #start(): WorkerProcess {
    const worker = new WorkerProcess(this.#scripts, {
      message: (message, payload) => {
        if (message.type === 'loaded') {
          const metadata = JSON.parse(payload.toString('utf8')) as unknown
          this.#settle(message.function)?.resolve({ metadata, exports: message.exports })
        } else if (message.type === 'init-failed') {
          this.#fail(message.function, message.fault)
        } else if (message.type === 'tainted') {
          void worker.kill('stuck', `its code did not stop after ${INIT_MS} ms`)
        }
      },
      ended: (_end, detail) => {
        if (this.#worker === worker) this.#worker = undefined
        for (const id of this.#pending.keys()) {
          this.#fail(id, {
            code: 'FN_HANDLER_INIT',
            class: 'Crashed',
            message: `the worker process ended while the function was loaded: ${detail}`,
          })
        }
      },
      output: () => {},
      isBusy: () => this.#pending.size > 0,
      isStalled: () => false,
      memoryCapBytes: (baseBytes) => baseBytes + CAP_BYTES,
    })
    return worker
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #fail(id: number, fault: Fault): void {
    const pending = this.#settle(id)
    pending?.reject(initError(new StackMap(pending.bundle.map).fault(fault)))
  }
}
