/** One mode on one log, from the start of the load to the findings. */
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { adminClient } from '../../runtime/admin/client.ts'
import type { Broker } from '../../runtime/contract/broker.ts'
import { check, type Findings } from '../invariants/checker.ts'
import { readLoadRecord } from '../invariants/load-record.ts'
import type { TopicsRead } from '../invariants/logged-event.ts'
import { eventually } from '../support/eventually.ts'
import { startKafka, type KafkaCluster } from '../support/kafka.ts'
import { chainNames, chainSources, type ChainNames, type ChainOptions } from './chain.ts'
import type { Cleanup } from './cleanup.ts'
import { consoleReader } from './console-reader.ts'
import { Deployment } from './deployment.ts'
import { flowResources, type Flow } from './flow.ts'
import { Load } from './load.ts'
import type { ProducerOptions } from './producer.ts'
import { Random } from './random.ts'
import { caughtUp, driverReader, readTopics } from './read-topics.ts'
import { Scene, type Driver, type Mode, type ModeSettings, type Moment } from './scene.ts'
import { smallDisk, type SmallDisk } from './small-disk.ts'

export interface ModeOptions {
  mode: Mode
  driver: Driver
  seed: number
  times: number
  seconds: number
  exactlyOnce: boolean
  flow: Flow | undefined
  /** Read Kafka with its own console consumer instead of our driver. */
  console: boolean
  /** Used unless the mode wants its own. */
  kafka: KafkaCluster | undefined
  /** Hears where the run stands. */
  tell: (text: string) => void
}

export interface ModeResult {
  findings: Findings
  moments: Moment[]
  books: { scrapes: number; problems: readonly string[] }
  /** Over the whole load, harm included. */
  eventsPerSecond: number
}

const PARTITIONS = 4
const FIRST_EVENTS = 1_000
const CATCH_UP_DEADLINE_MS = 240_000

const USUAL: ModeSettings = {
  load: { keys: 500, poisonShare: 0.002, eventsPerSecond: 1_500 },
  chain: { waitMs: 110, retry: { retries: 2, delayMs: 50 } },
  flags: [],
}
/** Steps from YAML run 64 events at a time, which is a little over 1,000 a second with this. */
const FLOW_WAIT_MS = 60

export async function runMode(t: Cleanup, options: ModeOptions): Promise<ModeResult> {
  const settings = settingsOf(options)
  const place = await placeOf(t, options, settings)
  const chain = chainOf(place, options)
  if (options.flow !== undefined) {
    const file = join(place.dir, 'flow.yaml')
    await writeFile(file, flowResources(chain, options.flow))
    place.flags.push('-f', file)
  }
  const deployment = await Deployment.build(t, {
    sources: chainSources(chain),
    flags: place.flags,
    counted: place.names.entry,
    within: (folder) => place.disk?.enter(folder) ?? [],
  })
  await deployment.start()

  const recordFile = join(place.dir, 'record.ndjson')
  const startedAt = performance.now()
  const load = new Load(t, producerOptions(place, options, { deployment, recordFile }))
  const { driver, times, seconds, tell } = options
  const random = new Random(options.seed)
  const { names, kafka, disk } = place
  const fixed = { t, driver, times, seconds, names, kafka, disk, tell }
  const scene = new Scene({ ...fixed, random, deployment, load })
  await eventually(() => load.accepted >= FIRST_EVENTS, 'the load flows', 60_000)
  options.tell('the load flows')
  await options.mode.run(scene)
  await load.stop()
  const eventsPerSecond = Math.round(load.accepted / ((performance.now() - startedAt) / 1_000))
  options.tell(`${load.accepted} events accepted, ${deployment.unfinished} unfinished`)
  await finished(place, deployment, options.tell)
  options.tell('every trigger is at the end of the log')

  const books = deployment.books
  const topics = await everything(place, options)
  const findings = check({
    record: await readLoadRecord(recordFile),
    topics,
    way: place.names.way,
    attempts: settings.chain.retry.retries + 1,
    exactlyOnce: options.exactlyOnce,
  })
  return { findings, moments: scene.moments, books, eventsPerSecond }
}

function settingsOf({ mode, seconds, flow }: ModeOptions): ModeSettings {
  const usual =
    flow === undefined ? USUAL : { ...USUAL, chain: { ...USUAL.chain, waitMs: FLOW_WAIT_MS } }
  return mode.settings?.(usual, seconds) ?? usual
}

/** Where everything of a run lies. */
interface Place {
  dir: string
  namespace: string
  names: ChainNames
  settings: ModeSettings
  flags: string[]
  kafka: KafkaCluster | undefined
  disk: SmallDisk | undefined
  /** Folder of the embedded log. */
  data: string
}

async function placeOf(
  t: Cleanup,
  { driver, flow, kafka: shared }: ModeOptions,
  settings: ModeSettings,
): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const namespace = `f${randomBytes(4).toString('hex')}`
  const flags = ['--partitions', String(PARTITIONS), '--log-level', 'warn', ...settings.flags]
  let kafka: KafkaCluster | undefined
  let disk: SmallDisk | undefined
  if (driver === 'kafka') {
    kafka = shared
    if (settings.kafka !== undefined) {
      kafka = await startKafka({ ...settings.kafka, own: true })
      t.after(() => kafka?.stop())
    }
    if (kafka === undefined) throw new Error('there is no Kafka')
    flags.push('--brokers', kafka.bootstrap, '--app', namespace)
  } else if (settings.diskMiB !== undefined) {
    disk = await smallDisk(t, settings.diskMiB)
  }
  const data = join(disk?.inside ?? dir, 'log')
  if (driver === 'embedded') flags.push('--data', data)
  const names = chainNames(namespace, flow)
  return { dir, namespace, names, settings, flags, kafka, disk, data }
}

function chainOf(
  { namespace, settings }: Place,
  { driver, exactlyOnce, flow }: ModeOptions,
): ChainOptions {
  // Kafka's idempotent producer sends nothing twice; the ingress cannot know.
  const dedupe = exactlyOnce && driver === 'embedded'
  return { ...settings.chain, namespace, exactlyOnce, dedupe, flow }
}

function producerOptions(
  { names, kafka, settings }: Place,
  { seed }: ModeOptions,
  { deployment, recordFile }: { deployment: Deployment; recordFile: string },
): ProducerOptions {
  const target: ProducerOptions['target'] =
    kafka === undefined
      ? { kind: 'ingress', projectDir: deployment.main.dir, broker: names.broker }
      : {
          kind: 'kafka',
          bootstrap: kafka.bootstrap.split(','),
          topic: names.topic,
          partitions: PARTITIONS,
        }
  return { ...settings.load, seed, recordFile, target }
}

/** Lets everything run to its end, then ends the processes as usual. */
async function finished(
  place: Place,
  deployment: Deployment,
  tell: ModeOptions['tell'],
): Promise<void> {
  const until = { deadlineMs: CATCH_UP_DEADLINE_MS, tell }
  const [member = await deployment.start()] = deployment.running
  if (place.kafka === undefined) {
    await caughtUp(adminClient(member.runtime.admin), place.names, until)
  } else {
    const log = await openKafka(place.kafka)
    try {
      await caughtUp(log, place.names, until)
    } finally {
      await log.close()
    }
  }
  await deployment.stop()
}

async function everything(
  { dir, kafka, names, disk, data }: Place,
  options: ModeOptions,
): Promise<TopicsRead> {
  const copy = join(dir, 'copy')
  if (disk !== undefined) await cp(join(disk.outside, 'log'), copy, { recursive: true })
  if (kafka !== undefined && options.console) return readTopics(names, consoleReader(kafka))
  const log =
    kafka === undefined
      ? await createEmbeddedBroker({ dir: disk === undefined ? data : copy })
      : await openKafka(kafka)
  try {
    return await readTopics(names, driverReader(log))
  } finally {
    await log.close()
  }
}

function openKafka({ bootstrap }: KafkaCluster): Promise<Broker> {
  return createKafkaBroker({ bootstrap: bootstrap.split(','), clientId: 'faults-checker' })
}
