/** Functions and pools for the isolation tests. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { build, type BuildOptions } from 'esbuild'
import type { Attributes, EventData } from '../../runtime/contract/event.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type {
  FunctionBundle,
  FunctionRunner,
  IsolatePool,
  WorkItem,
  WorkResult,
} from '../../runtime/contract/work.ts'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'

const ROOT = path.join(import.meta.dirname, '../..')

/** Bundles the text of a function file, as the builder would. */
export function bundleOf(source: string): Promise<FunctionBundle> {
  return bundle({
    stdin: { contents: source, sourcefile: 'fixture.ts', loader: 'ts', resolveDir: ROOT },
  })
}

/** Bundles one of `test/isolation/handlers`. */
export function handlerBundle(name: string): Promise<FunctionBundle> {
  return bundle({ entryPoints: [path.join(ROOT, 'test/isolation/handlers', `${name}.ts`)] })
}

async function bundle(entry: BuildOptions): Promise<FunctionBundle> {
  const result = await build({
    ...entry,
    bundle: true,
    write: false,
    outfile: path.join(ROOT, 'bundle.js'),
    format: 'iife',
    globalName: '__millraceModule',
    banner: { js: '"use strict";' },
    target: 'es2024',
    sourcemap: 'external',
    logLevel: 'silent',
    alias: { millrace: path.join(ROOT, 'author/index.ts') },
    absWorkingDir: ROOT,
    tsconfigRaw: {},
  })
  const output = (suffix: string): string =>
    result.outputFiles?.find((file) => file.path.endsWith(suffix))?.text ?? ''
  return { code: output('.js'), map: output('.js.map') }
}

export interface LoggedLine {
  level: string
  fields: Record<string, unknown>
  message: string
}

/** A logger that keeps its lines. */
export function keepingLogger(lines: LoggedLine[]): Logger {
  const write =
    (level: string) =>
    (fields: Record<string, unknown> | string, message?: string): void => {
      lines.push(
        typeof fields === 'string'
          ? { level, fields: {}, message: fields }
          : { level, fields, message: message ?? '' },
      )
    }
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  }
  return log
}

export function manifestOf(
  namespace: string,
  name: string,
  limits: Partial<FunctionManifest['limits']> = {},
): FunctionManifest {
  return {
    name,
    namespace,
    file: `functions/${name}.ts`,
    bundle: `${name}.js`,
    map: `${name}.js.map`,
    version: '',
    limits: { memoryMiB: 64, cpuMs: 100, ...limits },
    batch: { max: 64 },
    triggers: [],
  }
}

let lastId = 0

export function itemOf(
  type: string,
  options: Partial<Omit<WorkItem, 'event'>> & {
    data?: unknown
    raw?: EventData
    attributes?: Partial<Attributes>
  } = {},
): WorkItem {
  const { data, raw, attributes, ...rest } = options
  const id = ++lastId
  const json: EventData | undefined =
    data === undefined ? undefined : { kind: 'json', bytes: Buffer.from(JSON.stringify(data)) }
  return {
    id,
    lane: id,
    concurrency: 64,
    trigger: 'test/trigger',
    attempt: 1,
    timeoutMs: 10_000,
    event: {
      attributes: { specversion: '1.0', id: `e-${id}`, source: '/test', type, ...attributes },
      data: raw ?? json,
    },
    ...rest,
  }
}

/** A function that is open, with its results as promises. */
export class Opened {
  readonly runner: FunctionRunner
  readonly #waiting: Map<number, (result: WorkResult) => void>

  constructor(runner: FunctionRunner, waiting: Map<number, (result: WorkResult) => void>) {
    this.runner = runner
    this.#waiting = waiting
  }

  /** The first result of each item. */
  run(items: readonly WorkItem[]): Promise<WorkResult[]> {
    const results = items.map(
      (item) => new Promise<WorkResult>((resolve) => this.#waiting.set(item.id, resolve)),
    )
    this.runner.submit(items)
    return Promise.all(results)
  }

  async one(item: WorkItem): Promise<WorkResult> {
    return (await this.run([item]))[0] as WorkResult
  }

  /** As the delivery does it: what comes back as `again` runs again, suspects alone. */
  async toEnd(item: WorkItem): Promise<Exclude<WorkResult, { status: 'again' }>> {
    let alone = item.alone === true
    for (;;) {
      const result = await this.one(alone ? { ...item, alone } : item)
      if (result.status !== 'again') return result
      alone = result.suspect
    }
  }

  /** All results of each item, run as the delivery does it: what comes back runs again, suspects alone. */
  async settleAll(items: readonly WorkItem[]): Promise<Map<number, WorkResult[]>> {
    const all = new Map<number, WorkResult[]>(items.map((item) => [item.id, []]))
    let left = [...items]
    for (let round = 0; left.length > 0; round++) {
      assert.ok(round < 20, 'it never comes to an end')
      const results = await this.run(left)
      const next: WorkItem[] = []
      left.forEach((item, index) => {
        const result = results[index] as WorkResult
        all.get(item.id)?.push(result)
        if (result.status !== 'again') return
        next.push(result.suspect ? { ...item, alone: true } : item)
      })
      left = next
    }
    return all
  }
}

export async function openFunction(
  pool: IsolatePool,
  manifest: FunctionManifest,
  code: FunctionBundle,
): Promise<Opened> {
  const waiting = new Map<number, (result: WorkResult) => void>()
  const runner = await pool.open(manifest, code, (results) => {
    for (const result of results) {
      const resolve = waiting.get(result.id)
      assert.ok(resolve, `a second result for item ${result.id}`)
      waiting.delete(result.id)
      resolve(result)
    }
  })
  return new Opened(runner, waiting)
}

/** A pool with one function, closed when the test ends. */
export async function openOne(
  t: { after(fn: () => Promise<void>): void },
  source: string,
  { batchMax = 64, ...limits }: Partial<FunctionManifest['limits']> & { batchMax?: number } = {},
): Promise<Opened & { lines: LoggedLine[] }> {
  const lines: LoggedLine[] = []
  const log = keepingLogger(lines)
  const pool = await createIsolatePool({ isolation: 'dedicated', log, maxReplyBytes: 1024 * 1024 })
  t.after(() => pool.close())
  const manifest = { ...manifestOf('test', 'one', limits), batch: { max: batchMax } }
  const opened = await openFunction(pool, manifest, await bundleOf(source))
  return Object.assign(opened, { lines })
}

const REPLIES = `export const handler = () => ({ type: 'fine' })`
/** Room for a slow and busy machine; alone on a usual one the gaps are below 50 ms. */
const MAX_LOOP_GAP_MS = 5_000
const CANARY_EVERY_MS = 20
const ANSWERS_AGAIN_MS = 10_000

/**
 * An attacked function beside an innocent one in its own worker and another in another worker. The
 * other one is asked all the time; `calm()` says what must hold whatever the attack was.
 */
export class AttackRig {
  readonly attacked: Opened
  readonly neighbour: Opened
  readonly pool: IsolatePool
  readonly lines: LoggedLine[]
  readonly #canary: Opened
  readonly #gaps = monitorEventLoopDelay({ resolution: 10 })
  #stopped = false
  #watching: Promise<void> = Promise.resolve()
  #asked = 0
  peakRssMiB = 0

  static async open(
    handlers: string,
    limits: Partial<FunctionManifest['limits']> = {},
  ): Promise<AttackRig> {
    const lines: LoggedLine[] = []
    const pool = await createIsolatePool({
      isolation: 'shared',
      log: keepingLogger(lines),
      maxReplyBytes: 1024 * 1024,
    })
    const innocent = await bundleOf(REPLIES)
    const attacked = await openFunction(
      pool,
      manifestOf('hostile', 'attacked', limits),
      await handlerBundle(handlers),
    )
    const neighbour = await openFunction(pool, manifestOf('hostile', 'neighbour'), innocent)
    const canary = await openFunction(pool, manifestOf('calm', 'canary'), innocent)
    return new AttackRig({ pool, lines, attacked, neighbour, canary })
  }

  private constructor(parts: {
    pool: IsolatePool
    lines: LoggedLine[]
    attacked: Opened
    neighbour: Opened
    canary: Opened
  }) {
    this.pool = parts.pool
    this.lines = parts.lines
    this.attacked = parts.attacked
    this.neighbour = parts.neighbour
    this.#canary = parts.canary
    this.#gaps.enable()
    this.#watching = this.#watch()
  }

  /** Asserts that nobody but the attacked function felt anything. */
  async calm(): Promise<void> {
    const before = this.#asked
    const startedAt = performance.now()
    const results = await Promise.all([
      this.attacked.toEnd(itemOf('reply')),
      this.neighbour.toEnd(itemOf('reply')),
    ])
    const tookMs = performance.now() - startedAt
    for (const result of results) assert.equal(result.status, 'done')
    assert.ok(tookMs < ANSWERS_AGAIN_MS, `the group answered after ${tookMs} ms`)
    assert.ok(this.#asked > 0 && this.#asked >= before, 'the other group was not asked')
    const gapMs = this.#gaps.max / 1e6
    assert.ok(gapMs < MAX_LOOP_GAP_MS, `the supervisor stood still for ${gapMs} ms`)
    this.#gaps.reset()
  }

  async close(): Promise<void> {
    this.#stopped = true
    this.#gaps.disable()
    await this.#watching
    await this.pool.close()
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      // Any `again` or fault here is an attack that reached another worker.
      const result = await this.#canary.one(itemOf('reply'))
      assert.equal(result.status, 'done')
      this.#asked++
      for (const pid of workerPids()) this.peakRssMiB = Math.max(this.peakRssMiB, rssMiB(pid))
      await new Promise((resolve) => setTimeout(resolve, CANARY_EVERY_MS))
    }
  }
}

/** Process ids of the workers that this process started; it may have other children. */
export function workerPids(): number[] {
  const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number).filter(isWorker)
}

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0--permission\0')
  } catch {
    // It has just ended.
    return false
  }
}

export function rssMiB(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return (pages * 4_096) / 1024 / 1024
  } catch {
    // It has just ended.
    return 0
  }
}
