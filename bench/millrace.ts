/** Millrace as the bench's contender: the real runtime with its defaults. Prints one JSON line. */
import { loadConfig } from '../runtime/config/load.ts'
import type { CursorState } from '../runtime/contract/cursor-state.ts'
import { startRuntime } from '../runtime/start.ts'
import { createLogger } from '../runtime/telemetry/log.ts'
import { stopwatch } from './stopwatch.ts'

const [bootstrap, projectDir, count, perPartition, app = 'bench'] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
]
const expected = Number(count)
/** How many events each partition holds. */
const ends = JSON.parse(perPartition) as number[]
/** Looking at a thousand triggers costs something itself. */
const POLL_MS = 200

const watch = stopwatch()
const config = loadConfig({
  flags: { brokers: bootstrap, port: '0', metricsPort: '0', namespace: 'bench', app },
  env: {},
  cwd: projectDir,
})
const runtime = await startRuntime({
  config,
  projectDir,
  log: createLogger({ level: 'warn', format: 'pretty' }),
})
// Everything is done when the last event of each partition is committed.
const poll = setInterval(() => {
  const states = runtime.pipeline.consumer.states()
  if (states.some((state) => state.inFlight > 0 || state.committed > 0)) watch.start()
  const behind = ({ partition, committed }: CursorState): boolean =>
    committed < (ends[partition] as number)
  if (states.length < ends.length || states.some(behind)) return
  clearInterval(poll)
  watch.stop(expected)
}, POLL_MS)
await watch.done
await runtime.stop()
