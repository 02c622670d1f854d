/**
 * `npm run bench -- triggers`: one broker read for many triggers, on a real Kafka. A thousand triggers,
 * each for one event in a thousand by its type, beside ten of them over the same events.
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
    events: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)

const kafka = await startKafka({ fullJit: true, heapMiB: 1024 })
try {
  const ends = await fillTopic(kafka, TOPIC, events, typedEvent)
  const rounds: Array<{ few: RunFigures; many: RunFigures; ratio: number }> = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const few = await runOne(kafka, FEW, round, ends)
    const many = await runOne(kafka, MANY, round, ends)
    const ratio = Number((many.cpuSecondsPerMillion / few.cpuSecondsPerMillion).toFixed(2))
    rounds.push({ few, many, ratio })
  }
  const ratio = rounds.map((one) => one.ratio).toSorted((a, b) => a - b)[rounds.length >> 1]
  const result = { ratio, events, rounds }
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `CPU per event, ${MANY} triggers / ${FEW} triggers (median): ${ratio}\n`,
  )
} finally {
  await kafka.stop()
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
  round: number,
  ends: readonly number[],
): Promise<RunFigures> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await mkdir(join(dir, 'functions'))
    await writeFile(join(dir, 'functions', 'counter.ts'), counter(triggers, round))
    const functions = { projectDir: dir, functionsDir: 'functions', outDir: '.millrace/build' }
    const report = await build(functions)
    if (report.manifest === undefined) throw new Error(reportText(report))
    const args = [cluster.bootstrap, dir, String(events), JSON.stringify(ends)]
    const figures = JSON.parse(
      await contend('millrace.ts', [...args, `round-${round}-${triggers}`]),
    ) as RunFigures
    process.stderr.write(
      `round ${round + 1}, ${triggers} triggers: ${figures.eventsPerSecond} events/s, ` +
        `${figures.cpuSecondsPerMillion} CPU s per million, ${figures.rssMiB} MiB\n`,
    )
    return figures
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A function of that many triggers, each for one type; new groups in every round. */
function counter(triggers: number, round: number): string {
  const list = Array.from({ length: triggers }, (_, i) => {
    const filters = `[{ exact: { type: 'bench.type.${i}' } }]`
    return `{ name: 'r${round}-of-${triggers}-t${i}', broker: '${BROKER}', filters: ${filters}, startFrom: 'earliest' },`
  })
  return `export const metadata = { triggers: [\n${list.join('\n')}\n] }
let count = 0
export function handler(event) { count += event.data.i }
`
}
