/** Millrace as the bench's contender: the real runtime with its defaults. Prints one JSON line. */
import { loadConfig } from '../runtime/config/load.ts'
import { startRuntime } from '../runtime/start.ts'
import { createLogger } from '../runtime/telemetry/log.ts'
import { stopwatch } from './stopwatch.ts'

const [bootstrap, projectDir, count, perPartition] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
]
const expected = Number(count)
/** How many events each partition holds. */
const ends = JSON.parse(perPartition) as number[]
const POLL_MS = 5

const watch = stopwatch()
const config = loadConfig({
  flags: { brokers: bootstrap, port: '0', metricsPort: '0', namespace: 'bench' },
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
  const done = states.filter(({ partition, committed }) => committed >= (ends[partition] as number))
  if (done.length < ends.length) return
  clearInterval(poll)
  watch.stop(expected)
}, POLL_MS)
await watch.done
await runtime.stop()
