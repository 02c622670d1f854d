/**
 * `npm start`: builds `functions/`, runs them, and the first time sends the guide's sample order, so that
 * a new user sees events flow.
 */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { brokerTopic } from '../../runtime/broker/names.ts'
import { decodeRecord } from '../../runtime/codec/record.ts'
import type { LogRecord } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import type { Runtime } from '../../runtime/start.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { LiveResources } from '../live-resources.ts'
import { EXIT, say } from '../output.ts'
import { resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { untilStopped } from '../until-stopped.ts'
import { buildProject, summary } from './build.ts'
import { postEvent } from './send.ts'
import { announce, following, startProject } from './start.ts'

const SAMPLE = 'sample-order.json'
const BROKER = { namespace: 'events', name: 'kafka-broker' }
/** Long enough for the whole chain of functions on a busy machine. */
const SAMPLE_DEADLINE_MS = 10_000
const QUIET_MS = 600
const POLL_MS = 20

export function mainJobCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & Record<string, unknown>>(
    'main',
    'build functions/, run them, and show what a sample order does',
  )
  withConfigFlags(command)
  withFileFlag(command, 'Knative resources that are served beside the functions')
  return runs(async (options) => {
    const startedAt = performance.now()
    const projectDir = process.cwd()
    const config = configOf(options)
    const report = await buildProject(config, projectDir)
    if (report.manifest === undefined) return EXIT.failed
    say(summary(report, config))
    const resources = new LiveResources(resourcePaths(options, config), config, projectDir)
    const runtime = await startProject(config, projectDir, resources)
    announce(runtime, startedAt)
    const sample = join(resolve(projectDir, config.functions), SAMPLE)
    await sendSampleOnce(runtime, sample, join(projectDir, '.millrace', 'sample-sent'))
    sayNextSteps(config.functions)
    await untilStopped(following(runtime, resources))
    return EXIT.done
  })
}

async function sendSampleOnce(runtime: Runtime, sample: string, marker: string): Promise<void> {
  if ((await isThere(marker)) || !(await isThere(sample))) return
  const body = await readFile(sample)
  const topic = brokerTopic(BROKER)
  const before = await ends(runtime, topic)
  await postEvent(`${runtime.ingress}/${BROKER.namespace}/${BROKER.name}`, body)
  await writeFile(marker, `${new Date().toISOString()}\n`)
  say('')
  say(`sent the sample order to ${BROKER.namespace}/${BROKER.name}; this is what became of it:`)
  for await (const { attributes } of followed(runtime, topic, before)) {
    const cause = attributes['causationid'] === undefined ? '' : `  from ${attributes.source}`
    say(`  ${attributes.type}  ${attributes.id}${cause}`)
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

async function ends(runtime: Runtime, topic: string): Promise<Map<number, number>> {
  const [info] = await runtime.broker.topics([topic])
  const partitions = Array.from({ length: info?.partitions ?? 0 }, (_, partition) => ({
    topic,
    partition,
  }))
  const ranges = await runtime.broker.ranges(partitions)
  return new Map(ranges.map(({ partition, end }) => [partition, end]))
}

/** The events that come after `from`, until none came and none was at work for a while. */
async function* followed(
  runtime: Runtime,
  topic: string,
  from: Map<number, number>,
): AsyncGenerator<Event> {
  const until = Date.now() + SAMPLE_DEADLINE_MS
  let quietSince = Date.now()
  while (Date.now() < until && Date.now() - quietSince < QUIET_MS) {
    const fresh: LogRecord[] = []
    for (const [partition, position] of from) {
      const batch = await runtime.broker.read({ topic, partition }, position)
      from.set(partition, batch.next)
      fresh.push(...batch.records)
    }
    if (fresh.length > 0) quietSince = Date.now()
    else await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    // Causes before effects, as far as the partitions' clocks tell.
    for (const record of fresh.toSorted((a, b) => a.timestamp - b.timestamp)) {
      yield decodeRecord(record)
    }
    if (runtime.pipeline.consumer.states().some((state) => state.inFlight > 0)) {
      quietSince = Date.now()
    }
  }
}

function sayNextSteps(functionsDir: string): void {
  const broker = `${BROKER.namespace}/${BROKER.name}`
  say('')
  say('what to type next, in another shell in this folder:')
  say(`  npx fn send -f ${functionsDir}/${SAMPLE} --broker ${broker}`)
  say(`  npx fn events --broker ${broker} --follow`)
  say(`  npx fn explain --event ${functionsDir}/${SAMPLE}`)
  say('  npx fn lag')
  say('  npx fn why sample-order-1')
  say('  npx fn dlq list')
  say('Ctrl-C stops; the next start goes on from the same log.')
}
