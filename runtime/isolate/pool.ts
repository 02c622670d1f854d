/** The isolates of one runtime: worker processes, and the functions in them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../contract/log.ts'
import type { FunctionManifest } from '../contract/manifest.ts'
import type { Fault } from '../contract/outcome.ts'
import type {
  FunctionBundle,
  FunctionRunner,
  IsolatePool,
  ResultListener,
} from '../contract/work.ts'
import { initError } from './init-error.ts'
import { ResidentMemory } from './resident-memory.ts'
import { Runner } from './runner.ts'
import { isolateScripts, type IsolateScripts } from './scripts.ts'
import { StackMap } from './stack-map.ts'
import { WorkerGroup, type GroupOptions } from './worker-group.ts'

export interface IsolatePoolOptions {
  /** `shared`: one worker process for each namespace. `dedicated`: one for each function. */
  isolation: 'shared' | 'dedicated'
  log: Logger
  /** Largest data of one reply; a larger one fails with `FN_HANDLER_REPLY_TOO_LARGE`. */
  maxReplyBytes: number
  /** A function's isolate or a whole worker was ended by force; `reason` is one of a fixed set. */
  onKill?: (name: string, reason: string) => void
}

/** How often a closing pool looks whether all is done. */
const CLOSE_LOOK_MS = 10

export async function createIsolatePool(options: IsolatePoolOptions): Promise<IsolatePool> {
  return new Pool(options, await isolateScripts())
}

class Pool implements IsolatePool {
  readonly #options: IsolatePoolOptions
  readonly #scripts: IsolateScripts
  readonly #groups = new Map<string, WorkerGroup>()
  readonly #runners = new Set<Runner>()
  #closing: Promise<void> | undefined

  constructor(options: IsolatePoolOptions, scripts: IsolateScripts) {
    this.#options = options
    this.#scripts = scripts
  }

  async open(
    manifest: FunctionManifest,
    bundle: FunctionBundle,
    onResults: ResultListener,
  ): Promise<FunctionRunner> {
    const { log, maxReplyBytes } = this.#options
    const name = `${manifest.namespace}/${manifest.name}`
    const groupName = this.#options.isolation === 'shared' ? manifest.namespace : name
    const group = this.#group(groupName)
    const runner: Runner = new Runner({
      manifest,
      code: Buffer.from(bundle.code),
      stacks: new StackMap(bundle.map),
      log,
      maxReplyBytes,
      onResults,
      group,
      soloGroup: this.#groupOptions(`${name} (suspects)`),
      left: () => {
        this.#runners.delete(runner)
        return this.#endUnused(groupName, group)
      },
    })
    try {
      await runner.open()
    } catch (fault) {
      await runner.close()
      throw initError(fault as Fault)
    }
    this.#runners.add(runner)
    return runner
  }

  walls(): string[] {
    const watch = ResidentMemory.of(process.pid)
    watch?.close()
    return ['process', 'permissions', ...(watch === undefined ? [] : ['memory']), 'isolate']
  }

  workerRssBytes(): number {
    let bytes = 0
    for (const group of this.#groups.values()) bytes += group.residentBytes()
    return bytes
  }

  close(graceMs = 0): Promise<void> {
    return (this.#closing ??= this.#close(graceMs))
  }

  async #close(graceMs: number): Promise<void> {
    for (const runner of this.#runners) runner.stopStarting()
    const deadline = performance.now() + graceMs
    while (this.#isBusy() && performance.now() < deadline) await sleep(CLOSE_LOOK_MS)
    await Promise.all([...this.#runners].map((runner) => runner.close()))
    await Promise.all([...this.#groups.values()].map((group) => group.close()))
  }

  async #endUnused(name: string, group: WorkerGroup): Promise<void> {
    if (group.size > 0) return
    // At once: whoever opens a function of this name from now on gets another group.
    if (this.#groups.get(name) === group) this.#groups.delete(name)
    await group.close()
  }

  #groupOptions(name: string): GroupOptions {
    const { log, onKill } = this.#options
    return { name, scripts: this.#scripts, log, ended: onKill ?? ((): void => {}) }
  }

  #isBusy(): boolean {
    return [...this.#runners].some((runner) => runner.inFlight().items > 0)
  }

  #group(name: string): WorkerGroup {
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const group = new WorkerGroup(this.#groupOptions(name))
    this.#groups.set(name, group)
    return group
  }
}
