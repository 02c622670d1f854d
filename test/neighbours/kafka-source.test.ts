/** A KafkaSource of two topics, in the consumer group that a kafkajs consumer had before and has after it. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker } from '../../runtime/contract/broker.ts'
import { sampleEvent } from '../support/event-arbitraries.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaForTests } from '../support/kafka.ts'
import { project, type Project } from '../support/project.ts'

/** Fails once for an id that ends in `!`. */
const SEEN = `
  export const metadata = { triggers: [] }
  const failed = new Set()
  export function handler(event, { trigger }) {
    if (event.id.endsWith('!') && !failed.has(event.id)) {
      failed.add(event.id)
      throw new Error('not yet')
    }
    console.log('saw ' + event.id + ' by ' + trigger + '.')
  }
`

const kafka = kafkaForTests()

describe('a KafkaSource of two topics', () => {
  it(
    "goes on at its group's offsets in both, and leaves them to the next one",
    kafka.needed,
    async (t) => {
      const s = await scene(t)
      await s.send('a', 0, 10)
      await s.send('b', 0, 10)
      // Before: a kafkajs consumer, which finished three events of one topic and seven of the other.
      await s.asMember({ [s.a]: 3, [s.b]: 7 })

      assert.equal((await s.p.fn(['build'])).code, 0)
      const runtime = await s.p.start(s.flags)
      await eventually(async () => (await s.committed()).join() === '10,10', 'all is handled')
      const saw = [...runtime.output().matchAll(/saw (\S+) by (\S+)\./g)].map(([, id, by]) => {
        return `${id} by ${by}`
      })
      assert.deepEqual(saw.toSorted(), [
        ...ids('a', 3, 10).map((id) => `${id} by ${s.namespace}/k.${s.a}`),
        ...ids('b', 7, 10).map((id) => `${id} by ${s.namespace}/k.${s.b}`),
      ])
      const lag = await s.p.json<{ group: string; topic: string; lag: number }>([
        'lag',
        '--brokers',
        kafka.cluster.bootstrap,
      ])
      assert.deepEqual(
        lag.map(({ group, topic, lag: behind }) => [group, topic, behind]),
        [
          [s.group, s.a, 0],
          [s.group, s.b, 0],
        ],
      )
      assert.equal(await runtime.end('SIGTERM'), 0)

      await s.send('a', 10, 12)
      await s.send('b', 10, 13)
      const after = await s.asMember({ [s.a]: 12, [s.b]: 13 })
      assert.deepEqual(after.toSorted(), [...ids('a', 10, 12), ...ids('b', 10, 13)])
    },
  )

  it(
    'starts as it says in a topic that its group never read, and replays a dead letter only there',
    kafka.needed,
    async (t) => {
      const s = await scene(t)
      await s.send('a', 0, 4)
      await appendAll(s.broker, [encodeRecord(sampleEvent({ id: 'b0!' }), s.b)])
      await s.broker.commit(s.group, [{ topic: s.a, partition: 0, offset: 4 }])
      assert.equal((await s.p.fn(['build'])).code, 0)
      const runtime = await s.p.start(s.flags)
      const letters = `${s.group}.${s.b}.dlq`
      await eventually(async () => (await recordsIn(s.broker, letters)) === 1, 'b0! is one')
      const log = ['--brokers', kafka.cluster.bootstrap]
      const all = await s.p.json<{ trigger: string; ref: string }>(['dlq', 'list', ...log])
      const own = all.filter(({ trigger }) => trigger === `${s.namespace}/k.${s.b}`)
      assert.equal(own.length, 1)
      const replay = await s.p.fn(['dlq', 'replay', String(own[0]?.ref), ...log])
      assert.equal(replay.code, 0, replay.stderr)
      const sawAgain = `saw b0! by ${s.namespace}/k.${s.b}.`
      await eventually(() => runtime.output().includes(sawAgain), 'b0! is handled')
      assert.equal(await runtime.end('SIGTERM'), 0)
      assert.equal(runtime.output().match(/saw /g)?.length, 1)
    },
  )
})

interface Scene {
  p: Project
  broker: Broker
  namespace: string
  group: string
  a: string
  b: string
  /** For the runtime that has the KafkaSource. */
  flags: string[]
  /** Events `a0`, `a1`, … to the topic `a`. */
  send(topic: 'a' | 'b', from: number, to: number): Promise<void>
  /** Of the group, in `a` and `b`. */
  committed(): Promise<Array<number | undefined>>
  /** Reads as the group's only member up to these offsets, commits exactly them, and leaves; what it saw. */
  asMember(upTo: Record<string, number>): Promise<string[]>
}

async function scene(t: TestContext): Promise<Scene> {
  const namespace = kafka.name('source')
  const [group, a, b] = [`${namespace}-group`, `${namespace}-a`, `${namespace}-b`]
  const p = await project(t, { 'seen.ts': SEEN })
  await p.write(
    'source.yaml',
    `apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: { name: k, namespace: ${namespace} }
spec:
  bootstrapServers: [kafka:9092]
  topics: [${a}, ${b}]
  consumerGroup: ${group}
  initialOffset: earliest
  delivery: { retry: 0 }
  sink: { ref: { apiVersion: v1, kind: Service, name: seen } }
`,
  )
  const bootstrap = kafka.cluster.bootstrap
  const broker = await createKafkaBroker({ bootstrap: bootstrap.split(','), clientId: 'source' })
  t.after(() => broker.close())
  for (const topic of [a, b]) await broker.ensureTopic(topic, { partitions: 1 })
  const places = [a, b].map((topic) => ({ topic, partition: 0 }))
  const app = kafka.name('app')
  return {
    p,
    broker,
    namespace,
    group,
    a,
    b,
    flags: ['--brokers', bootstrap, '--app', app, '-f', 'source.yaml'],
    async send(topic, from, to) {
      const records = ids(topic, from, to).map((id) => {
        return encodeRecord(sampleEvent({ id }), topic === 'a' ? a : b)
      })
      await appendAll(broker, records)
    },
    async committed() {
      return (await broker.committed(group, places)).map(({ offset }) => offset)
    },
    asMember: (upTo) => readAsMember(group, upTo),
  }
}

async function readAsMember(group: string, upTo: Record<string, number>): Promise<string[]> {
  const brokers = kafka.cluster.bootstrap.split(',')
  const client = new Kafka({ brokers, logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topics: Object.keys(upTo), fromBeginning: true })
  const left = new Map(Object.entries(upTo))
  const seen: string[] = []
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()
  const running = consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, message }) => {
      const end = upTo[topic] ?? 0
      if (Number(message.offset) >= end) return
      seen.push(String(message.headers?.['ce_id']))
      if (Number(message.offset) === end - 1) left.delete(topic)
      if (left.size === 0) resolve()
    },
  })
  running.catch(reject)
  await done
  const offsets = Object.entries(upTo).map(([topic, offset]) => {
    return { topic, partition: 0, offset: String(offset) }
  })
  await consumer.commitOffsets(offsets)
  await consumer.disconnect()
  return seen
}

async function recordsIn(broker: Broker, topic: string): Promise<number> {
  const [info] = await broker.topics([topic])
  const places = Array.from({ length: info?.partitions ?? 0 }, (_, partition) => {
    return { topic, partition }
  })
  const ranges = await broker.ranges(places)
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0)
}

function ids(topic: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${topic}${from + i}`)
}
