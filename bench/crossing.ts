/** What it costs to bring an event into an isolate and its reply back, by size of the micro-batch. */
import { join } from 'node:path'
import { bundleFunction } from '../builder/bundle.ts'
import { decodeRecord } from '../runtime/codec/record.ts'
import type { LogRecord } from '../runtime/contract/broker.ts'
import type { FunctionManifest } from '../runtime/contract/manifest.ts'
import type { WorkItem } from '../runtime/contract/work.ts'
import { createIsolatePool } from '../runtime/isolate/pool.ts'
import { createLogger } from '../runtime/telemetry/log.ts'
import { orderEvent } from './workload.ts'

const BATCHES = [1, 10, 100, 500] as const
const EVENTS = 20_000
const WARM_UP = 5_000

/** Microseconds of wall time per event; one batch at a time, each waited for. */
export async function measureCrossings(): Promise<Record<string, number>> {
  const pool = await createIsolatePool({
    isolation: 'dedicated',
    log: createLogger({ level: 'warn', format: 'pretty' }),
    maxReplyBytes: 1024 * 1024,
  })
  try {
    let arrived: (count: number) => void = () => {}
    const { code, map } = await bundleFunction(
      join(import.meta.dirname, 'functions', 'pricer.ts'),
      { projectDir: import.meta.dirname },
    )
    const runner = await pool.open(MANIFEST, { code, map }, (results) => arrived(results.length))
    const run = async (items: WorkItem[]): Promise<void> => {
      let left = items.length
      const { promise, resolve } = Promise.withResolvers<void>()
      arrived = (count) => {
        left -= count
        if (left === 0) resolve()
      }
      runner.submit(items)
      await promise
    }
    const figures: Record<string, number> = {}
    for (const batch of BATCHES) {
      await crossings(run, batch, WARM_UP)
      const startedAt = performance.now()
      await crossings(run, batch, EVENTS)
      figures[batch] = Number((((performance.now() - startedAt) * 1000) / EVENTS).toFixed(1))
    }
    return figures
  } finally {
    await pool.close()
  }
}

async function crossings(
  run: (items: WorkItem[]) => Promise<void>,
  batch: number,
  events: number,
): Promise<void> {
  for (let at = 0; at < events; at += batch) {
    await run(Array.from({ length: batch }, (_, i) => workItem(at + i)))
  }
}

function workItem(i: number): WorkItem {
  return {
    id: i,
    lane: i,
    event: EVENTS_BY_TURN[i % EVENTS_BY_TURN.length] as WorkItem['event'],
    concurrency: 64,
    trigger: 'bench/pricer',
    attempt: 1,
    timeoutMs: 30_000,
  }
}

const EVENTS_BY_TURN = Array.from({ length: 1_000 }, (_, i) => {
  const { key, value, headers } = orderEvent(i, 'bench')
  const record: LogRecord = {
    offset: i,
    timestamp: 0,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(([name, text]) => [Buffer.from(name), Buffer.from(text ?? '')] as const),
  }
  return decodeRecord(record)
})

const MANIFEST: FunctionManifest = {
  name: 'pricer',
  namespace: 'bench',
  file: 'functions/pricer.ts',
  bundle: 'pricer.js',
  map: 'pricer.js.map',
  version: '',
  limits: { memoryMiB: 64, cpuMs: 100 },
  batch: { max: 64 },
  triggers: [],
}
