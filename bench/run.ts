/**
 * `npm run bench`: Millrace beside what a user would write by hand, on a real Kafka, in turn.
 *
 * Each round makes a fresh topic for each contender, fills it, lets the contender consume → filter →
 * handle → publish → commit, and then reads the topic with an independent client to see that every
 * output is right. Options: --events N --rounds N --json.
 */
import { mkdtemp, readFile, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../builder/build.ts'
import { reportText } from '../builder/report.ts'
import { brokerTopic } from '../runtime/broker/names.ts'
import { startKafka, type KafkaCluster } from '../test/support/kafka.ts'
import { contend } from './contend.ts'
import { measureCrossings } from './crossing.ts'
import { fillTopic } from './fill-topic.ts'
import type { RunFigures } from './stopwatch.ts'
import { verifyOutputs } from './verify.ts'
import { orderEvent } from './workload.ts'

const CONTENDERS = ['byHand', 'millrace'] as const
type Contender = (typeof CONTENDERS)[number]
type Round = Record<Contender, RunFigures>

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)
const talk = (line: string): void => void process.stderr.write(`${line}\n`)

const kafka = await startKafka({ fullJit: true, heapMiB: 1024 })
try {
  const rounds: Round[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const figures = {} as Round
    // Turned round each time, so that neither always runs on the warmer machine.
    const order = round % 2 === 0 ? CONTENDERS : CONTENDERS.toReversed()
    for (const contender of order) figures[contender] = await runOne(kafka, contender, round)
    rounds.push(figures)
  }
  const crossingMicros = await measureCrossings()
  const ratio = median(
    rounds.map(({ byHand, millrace }) => millrace.eventsPerSecond / byHand.eventsPerSecond),
  )
  const result = {
    ratio: Number(ratio.toFixed(2)),
    events,
    rounds: rounds.map(({ byHand, millrace }) => ({
      byHand: withoutCount(byHand),
      millrace: withoutCount(millrace),
    })),
    crossingMicros,
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : readable(result))
} finally {
  await kafka.stop()
}

async function runOne(
  cluster: KafkaCluster,
  contender: Contender,
  round: number,
): Promise<RunFigures> {
  const name = `round-${round}-${contender.toLowerCase()}`
  const topic = brokerTopic({ namespace: 'bench', name })
  const ends = await fillTopic(cluster, topic, events, orderEvent)
  const output =
    contender === 'byHand'
      ? await contend('by-hand.ts', [cluster.bootstrap, topic, String(events)])
      : await withProject(name, (dir) =>
          contend('millrace.ts', [cluster.bootstrap, dir, String(events), JSON.stringify(ends)]),
        )
  const figures = JSON.parse(output) as RunFigures
  await verifyOutputs(cluster.bootstrap, topic, events)
  talk(
    `round ${round + 1} ${contender}: ${figures.eventsPerSecond} events/s, ` +
      `${figures.cpuSecondsPerMillion} CPU s per million, ${figures.rssMiB} MiB; every output right`,
  )
  return figures
}

/** A project folder whose one function is the bench's, on the round's broker. */
async function withProject(name: string, use: (dir: string) => Promise<string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const source = await readFile(join(import.meta.dirname, 'functions', 'pricer.ts'), 'utf8')
    await mkdir(join(dir, 'functions'))
    await writeFile(
      join(dir, 'functions', 'pricer.ts'),
      source.replace('bench/BROKER', `bench/${name}`),
    )
    const report = await build({
      projectDir: dir,
      functionsDir: 'functions',
      outDir: '.millrace/build',
    })
    if (report.manifest === undefined) throw new Error(reportText(report))
    return await use(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[middle] as number
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

function withoutCount(figures: RunFigures): Omit<RunFigures, 'events'> {
  const { eventsPerSecond, cpuSecondsPerMillion, rssMiB } = figures
  return { eventsPerSecond, cpuSecondsPerMillion, rssMiB }
}

function readable(result: {
  ratio: number
  rounds: ReadonlyArray<Record<Contender, Omit<RunFigures, 'events'>>>
  crossingMicros: Record<string, number>
}): string {
  const row = (name: string, figures: Omit<RunFigures, 'events'>): string =>
    `${name.padEnd(10)}${String(figures.eventsPerSecond).padStart(10)} events/s` +
    `${String(figures.cpuSecondsPerMillion).padStart(8)} CPU s per million` +
    `${String(figures.rssMiB).padStart(6)} MiB`
  const lines = result.rounds.flatMap(({ byHand, millrace }) => [
    row('by hand', byHand),
    row('millrace', millrace),
  ])
  const crossings = Object.entries(result.crossingMicros).map(
    ([batch, micros]) => `${batch}: ${micros} µs`,
  )
  return [
    ...lines,
    `ratio (median of millrace / by hand): ${result.ratio}`,
    `crossing into the isolate and back, per event at batch ${crossings.join(', ')}`,
    '',
  ].join('\n')
}
