/**
 * `npm run bench -- triggers`: one broker read for many triggers, on a real Kafka. A thousand triggers,
 * each for one event in a thousand by its type, beside ten of them over the same events: there one event
 * in a hundred is handled, here every one. So beside ten that take all events, each a tenth, too.
 *
 * Options: --events N --rounds N --json.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../builder/build.ts'
import { reportText } from '../builder/report.ts'
import { encodeRecord } from '../runtime/codec/record.ts'
import type { AppendRecord } from '../runtime/contract/broker.ts'
import { startKafka, type KafkaCluster } from '../test/support/kafka.ts'
import { contend } from './contend.ts'
import { fillTopic } from './fill-topic.ts'
import type { RunFigures } from './stopwatch.ts'

const MANY = 1_000
const FEW = 10
const BROKER = 'bench/many-triggers'
const TOPIC = 'knative-broker-bench-many-triggers'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '400000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)

/** Ten triggers with a type each, ten with a hundred types each, a thousand with one each. */
interface Round {
  few: RunFigures
  all: RunFigures
  many: RunFigures
}

let runs = 0
const kafka = await startKafka({ fullJit: true, heapMiB: 1024 })
try {
  const ends = await fillTopic(kafka, TOPIC, events, typedEvent)
  const rounds: Round[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const few = await runOne(kafka, FEW, 1, ends)
    const all = await runOne(kafka, FEW, MANY / FEW, ends)
    const many = await runOne(kafka, MANY, 1, ends)
    rounds.push({ few, all, many })
  }
  const result = {
    ratio: ratioTo('few', rounds),
    ratioHandlingAll: ratioTo('all', rounds),
    events,
    rounds,
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : readable(result))
} finally {
  await kafka.stop()
}

/** Median of the CPU per event of a thousand triggers in that of ten. */
function ratioTo(other: 'few' | 'all', all: readonly Round[]): number {
  const ratios = all.map((round) => {
    return round.many.cpuSecondsPerMillion / round[other].cpuSecondsPerMillion
  })
  return Number((ratios.toSorted((a, b) => a - b)[ratios.length >> 1] ?? 0).toFixed(2))
}

function readable(result: { ratio: number; ratioHandlingAll: number }): string {
  return (
    `CPU per event, ${MANY} triggers / ${FEW} (median): ${result.ratio} where the ten take one event in ` +
    `a hundred, ${result.ratioHandlingAll} where they take all\n`
  )
}

/** Every type comes once in a thousand events. */
function typedEvent(i: number, topic: string): AppendRecord {
  return encodeRecord(
    {
      attributes: {
        specversion: '1.0',
        id: `event-${i}`,
        source: 'bench',
        type: `bench.type.${i % MANY}`,
        partitionkey: `key-${(i * 7) % 997}`,
      },
      data: { kind: 'json', bytes: Buffer.from(JSON.stringify({ i, note: 'x'.repeat(200) })) },
    },
    topic,
  )
}

async function runOne(
  cluster: KafkaCluster,
  triggers: number,
  types: number,
  ends: readonly number[],
): Promise<RunFigures> {
  const run = `run-${++runs}`
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await mkdir(join(dir, 'functions'))
    await writeFile(join(dir, 'functions', 'counter.ts'), counter({ run, triggers, types }))
    const functions = { projectDir: dir, functionsDir: 'functions', outDir: '.millrace/build' }
    const report = await build(functions)
    if (report.manifest === undefined) throw new Error(reportText(report))
    const args = [cluster.bootstrap, dir, String(events), JSON.stringify(ends)]
    const figures = JSON.parse(await contend('millrace.ts', [...args, run])) as RunFigures
    process.stderr.write(
      `${triggers} triggers for ${types} types each: ${figures.eventsPerSecond} events/s, ` +
        `${figures.cpuSecondsPerMillion} CPU s per million, ${figures.rssMiB} MiB\n`,
    )
    return figures
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A function of that many triggers, each for so many types; new groups in every run. */
function counter({
  run,
  triggers,
  types,
}: Record<'triggers' | 'types', number> & { run: string }): string {
  const list = Array.from({ length: triggers }, (_, i) => {
    const own = Array.from(
      { length: types },
      (_, j) => `{ exact: { type: 'bench.type.${i * types + j}' } }`,
    )
    const filters = `[{ any: [${own.join(', ')}] }]`
    return `{ name: '${run}-t${i}', broker: '${BROKER}', filters: ${filters}, startFrom: 'earliest' },`
  })
  return `export const metadata = { triggers: [\n${list.join('\n')}\n] }
let count = 0
export function handler(event) { count += event.data.i }
`
}
