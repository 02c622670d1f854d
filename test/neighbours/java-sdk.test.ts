/**
 * The official Java SDK's Kafka binding (`io.cloudevents:cloudevents-kafka`) beside Millrace's, over a
 * real Kafka: several hundred generated events each way, in one run of one JVM. Where the SDK departs
 * from the specification, `DEPARTURES` says how and the tests expect that and nothing else.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { decodeRecord, encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker, type LogRecord } from '../../runtime/contract/broker.ts'
import type { Event } from '../../runtime/contract/event.ts'
import { mavenJars } from '../support/cache.ts'
import { anyEvent } from '../support/event-arbitraries.ts'
import { isJson } from '../support/is-json.ts'
import { javaAvailability } from '../support/kafka-install.ts'
import { kafkaForTests } from '../support/kafka.ts'

const SEED = 20_261_127
const EVENTS = 400
const PROGRAM = fileURLToPath(new URL('java/Neighbour.java', import.meta.url))
const POM = fileURLToPath(new URL('java/pom.xml', import.meta.url))

/** Version 4.0.1, seen here. */
const DEPARTURES = {
  /** `java.time` knows no leap second and no lower-case `t`, which RFC 3339 allows. */
  refusesTime: (time = '') => time.includes(':60') || time.includes('t'),
  /** It keeps instants, so the offset "unknown" becomes UTC. */
  time: (time: string) => time.replace(/-00:00$/, 'Z'),
  /** A value of no bytes is no data to it, whatever the content type; only null should be. */
  emptyIsNoData: (bytes: Buffer | undefined) => (bytes?.length === 0 ? undefined : bytes),
  /**
   * It pastes data that is JSON, or has no content type, into the JSON of a structured event unread, and
   * so writes broken events; bytes belong into `data_base64` (JSON format 3.1.1).
   */
  breaksEnvelope({ attributes, data }: Event): boolean {
    const pasted = data?.kind === 'json' || attributes.datacontenttype === undefined
    return data !== undefined && pasted && !isJson(data.bytes)
  },
}

interface Line {
  key?: string
  attributes?: Record<string, string>
  data?: string
  error?: string
}

const kafka = kafkaForTests()
const needed = { skip: kafka.needed.skip || whyNoCompiler() }
// The SDK holds a source to be a java.net.URI; text that is none is not its matter.
const events = fc.sample(anyEvent, { seed: SEED, numRuns: EVENTS }).map(withUriSource)
const writable = events.filter(({ attributes }) => !DEPARTURES.refusesTime(attributes.time))

test('it reads each record of Millrace: equal attributes, bytes and key', needed, async () => {
  const { lines } = await exchanged()
  assert.equal(lines.length, events.length)
  for (const [i, event] of events.entries()) {
    const line = lines[i] as Line
    const { attributes, data } = event
    if (DEPARTURES.refusesTime(attributes.time)) {
      assert.match(line.error ?? '', /Invalid attribute\/extension value for "time"/)
      continue
    }
    assert.deepEqual(line.attributes, textAttributes(event), line.error)
    assert.equal(line.data, DEPARTURES.emptyIsNoData(data?.bytes)?.toString('base64'))
    assert.equal(line.key, attributes['partitionkey'])
  }
})

test('Millrace reads each record that it writes in binary mode', needed, async () => {
  const { binary } = await exchanged()
  assert.equal(binary.length, writable.length)
  for (const [i, event] of writable.entries()) {
    const decoded = decodeRecord(binary[i] as LogRecord)
    assert.deepEqual(decoded.attributes, textAttributes(event))
    const bytes = decoded.data?.bytes.toString('base64')
    // Empty data under a JSON type is no data to us.
    const expected = event.data?.kind === 'json' ? emptyJson(event.data.bytes) : event.data?.bytes
    assert.equal(bytes, expected?.toString('base64'))
    assert.equal(decoded.data?.kind, expected && event.data?.kind)
  }
})

test('Millrace reads each record that it writes in structured mode', needed, async () => {
  const { structured } = await exchanged()
  assert.equal(structured.length, writable.length)
  for (const [i, event] of writable.entries()) {
    const record = structured[i] as LogRecord
    if (DEPARTURES.breaksEnvelope(event)) {
      assert.throws(() => decodeRecord(record), { code: 'FN_EVENT_INVALID' })
      continue
    }
    const { attributes, data } = decodeRecord(record)
    // JSON has types: an Integer comes back as one.
    const { time } = event.attributes
    const expected = { ...event.attributes, ...(time && { time: DEPARTURES.time(time) }) }
    assert.deepEqual(attributes, expected)
    assert.equal(data?.bytes.toString('base64'), event.data?.bytes.toString('base64'))
  }
})

interface Exchanged {
  /** What the SDK read, one a record of Millrace. */
  lines: Line[]
  /** What the SDK wrote. */
  binary: LogRecord[]
  structured: LogRecord[]
}

let exchange: Promise<Exchanged> | undefined

/** Both ways, once for all tests. */
function exchanged(): Promise<Exchanged> {
  exchange ??= runExchange()
  return exchange
}

async function runExchange(): Promise<Exchanged> {
  const broker = await createKafkaBroker({
    bootstrap: kafka.cluster.bootstrap.split(','),
    clientId: 'java-sdk',
  })
  try {
    const ours = await newTopic(broker, 'ours')
    const binary = await newTopic(broker, 'java-binary')
    const structured = await newTopic(broker, 'java-structured')
    const records = events.map((event) => ({ ...encodeRecord(event, ours), partitionBy: 0 }))
    await appendAll(broker, records)
    return {
      lines: await runNeighbour([ours, binary, structured]),
      binary: await readAll(broker, binary),
      structured: await readAll(broker, structured),
    }
  } finally {
    await broker.close()
  }
}

/** The program is run from its source. A Kafka of the user's own needs no Java, this does. */
function whyNoCompiler(): string | false {
  const java = javaAvailability()
  if (!java.ok) return java.reason
  const { stdout } = spawnSync('java', ['--list-modules'], { encoding: 'utf8' })
  if (stdout.includes('jdk.compiler@')) return false
  return "Java's compiler is needed: apt-get install openjdk-17-jdk-headless"
}

function withUriSource(event: Event): Event {
  const source = `/${encodeURIComponent(event.attributes.source)}`
  return { ...event, attributes: { ...event.attributes, source } }
}

/** A record's headers have text only. */
function textAttributes({ attributes }: Event): Record<string, string> {
  const text = Object.entries(attributes).map(([name, value]) => [name, String(value)] as const)
  return Object.fromEntries(
    text.map(([name, value]) => [name, name === 'time' ? DEPARTURES.time(value) : value]),
  )
}

function emptyJson(bytes: Buffer): Buffer | undefined {
  return bytes.length === 0 ? undefined : bytes
}

async function newTopic(broker: Broker, name: string): Promise<string> {
  const topic = kafka.name(name)
  await broker.ensureTopic(topic, { partitions: 1 })
  return topic
}

/** Compiles and runs the program; what it writes are `writable`. */
async function runNeighbour(topics: readonly string[]): Promise<Line[]> {
  const command = ['-cp', await mavenJars(POM), PROGRAM, kafka.cluster.bootstrap, ...topics]
  const child = spawn('java', command, { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const input = writable.map(({ attributes, data }) =>
    JSON.stringify({ attributes, data: data?.bytes.toString('base64') }),
  )
  child.stdin.on('error', () => {
    // It ended before it read its input; its exit code and its stderr say why.
  })
  child.stdin.end(input.join('\n'))
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  assert.equal(code, 0, stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

async function readAll(broker: Broker, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  let from = 0
  let end = 1
  while (from < end) {
    const batch = await broker.read({ topic, partition: 0 }, from, { waitMs: 1_000 })
    records.push(...batch.records)
    from = batch.next
    end = batch.end
  }
  return records
}
