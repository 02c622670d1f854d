/**
 * `npm run test:faults`: a load through a chain of three functions while harm is done, then a ledger of
 * what became of it. See the README beside this file.
 */
import { inspect } from 'node:util'
import { kafkaAvailability, startKafka, type KafkaCluster } from '../support/kafka.ts'
import { Cleanups } from './cleanup.ts'
import { readOptions, USAGE, type FaultsOptions } from './options.ts'
import { runMode, type ModeOptions } from './run-mode.ts'
import type { Mode } from './scene.ts'
import { verdict } from './verdict.ts'

const USAGE_ERROR = 64
/** Of modes that have no number of their own. */
const DEFAULT_SECONDS = 30

/** What has to be ended if a signal ends this process first, the last one first. */
const open: Cleanups[] = []
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void endEarly(signal))

// Kafka's processes do not keep this one alive while it waits for them.
const alive = setInterval(() => {}, 60_000)
process.exitCode = await main(process.argv.slice(2))
clearInterval(alive)

async function main(args: readonly string[]): Promise<number> {
  let options: FaultsOptions
  try {
    options = readOptions(args)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`)
    return USAGE_ERROR
  }
  const cleanups = new Cleanups()
  open.unshift(cleanups)
  try {
    const kafka = await sharedKafka(options, cleanups)
    let failed = 0
    for (const driver of options.drivers) {
      for (const mode of options.modes) {
        if (!mode.drivers.includes(driver)) continue
        if (!(await passes(mode, { ...options, driver, kafka }))) failed++
      }
    }
    return failed === 0 ? 0 : 1
  } finally {
    await cleanups.end()
  }
}

async function passes(
  mode: Mode,
  options: FaultsOptions & Pick<ModeOptions, 'driver' | 'kafka'>,
): Promise<boolean> {
  const { driver, seed, exactlyOnce, flow } = options
  const times = options.times ?? mode.times
  const seconds = options.seconds ?? mode.seconds ?? DEFAULT_SECONDS
  const what = `${exactlyOnce ? ', exactly once' : ''}${flow === undefined ? '' : `, flow ${flow}`}`
  const title = `${mode.name} on ${driver}, seed ${seed}${what}`
  const startedAt = performance.now()
  const tell = (text: string): void => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    process.stderr.write(`${title}: ${seconds} s: ${text}\n`)
  }
  const cleanups = new Cleanups()
  open.unshift(cleanups)
  try {
    const result = await runMode(cleanups, { ...options, mode, times, seconds, tell })
    const { ok, tooSmall, text } = verdict(result)
    const line = { mode: mode.name, driver, seed, exactlyOnce, flow, ok, tooSmall, ...result }
    process.stdout.write(options.json ? `${JSON.stringify(line)}\n` : `\n${title}\n${text}`)
    return ok && tooSmall.length === 0
  } catch (error) {
    process.stderr.write(`${title} failed: ${inspect(error)}\n`)
    return false
  } finally {
    open.shift()
    await cleanups.end()
  }
}

async function endEarly(signal: NodeJS.Signals): Promise<void> {
  for (const cleanups of open) await cleanups.end()
  process.kill(process.pid, signal)
}

/** One Kafka for all modes that do not harm it. */
async function sharedKafka(
  { drivers }: FaultsOptions,
  cleanups: Cleanups,
): Promise<KafkaCluster | undefined> {
  if (!drivers.includes('kafka')) return undefined
  const availability = kafkaAvailability()
  if (!availability.ok) throw new Error(availability.reason)
  const kafka = await startKafka()
  cleanups.after(() => kafka.stop())
  return kafka
}
