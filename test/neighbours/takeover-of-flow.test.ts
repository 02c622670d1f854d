/** `fn takeover` of a Sequence over the log: a kafkajs consumer stands for Knative's channel dispatcher. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker } from '../../runtime/contract/broker.ts'
import { sampleEvent } from '../support/event-arbitraries.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaForTests } from '../support/kafka.ts'
import { project, type FnResult, type Project } from '../support/project.ts'

const FIRST = `
  export const metadata = { triggers: [] }
  export function handler(event) {
    console.log('first ' + event.id + '.')
    return { type: 'priced', data: { of: event.id } }
  }
`
const SECOND = `
  export const metadata = { triggers: [] }
  export function handler(event) { console.log('second ' + (event.data?.of ?? event.id) + '.') }
`

const kafka = kafkaForTests()

describe('fn takeover of a Sequence', () => {
  it('goes on in each channel where its Subscription stopped', kafka.needed, async (t) => {
    const s = await scene(t)
    await s.send(0, 'e', 10)
    await s.send(1, 'p', 5)
    // As Knative left them: four events passed the first step, three of five the second.
    await asDispatcher(s.knative(0), s.topic(0), 4)
    await asDispatcher(s.knative(1), s.topic(1), 3)

    const taken = await s.takeover('--json')
    assert.equal(taken.code, 0, taken.stderr)
    assert.deepEqual(moves(taken), [
      [s.step(0), s.knative(0), s.ours(0), 4],
      [s.step(1), s.knative(1), s.ours(1), 3],
    ])
    assert.equal((await s.p.fn(['build'])).code, 0)
    const runtime = await s.p.start(s.flags)
    // What was sent to the second channel, and what the first step replies to the six that were left.
    await eventually(async () => (await s.committed(s.ours(1), 1)) === 11, 'all is handled')
    assert.equal(await runtime.end('SIGTERM'), 0)
    const saw = (step: string): string[] =>
      [...runtime.output().matchAll(new RegExp(`${step} (\\S+)\\.`, 'g'))]
        .map(([, id]) => String(id))
        .toSorted()
    assert.deepEqual(saw('first'), ids('e', 4, 10))
    assert.deepEqual(saw('second'), [...ids('e', 4, 10), ...ids('p', 3, 5)])

    const given = await s.takeover('--back', '--json')
    assert.equal(given.code, 0, given.stderr)
    assert.deepEqual(moves(given), [
      [s.step(0), s.ours(0), s.knative(0), 10],
      [s.step(1), s.ours(1), s.knative(1), 11],
    ])
    assert.equal(await s.committed(s.knative(1), 1), 11)
  })

  it('refuses while the channel dispatcher runs, and moves nothing', kafka.needed, async (t) => {
    const s = await scene(t)
    await s.send(0, 'e', 2)
    await asDispatcher(s.knative(0), s.topic(0), 1)
    await s.send(1, 'p', 2)
    const stop = await asDispatcher(s.knative(1), s.topic(1), 1, 'stays')
    t.after(stop)
    const { code, stderr } = await s.takeover()
    assert.equal(code, 1)
    assert.match(
      stderr,
      /subscription \S+-kn-sequence-1: group kafka\.\S+ has members\. Knative still/,
    )
    assert.equal(await s.committed(s.ours(0), 0), undefined)
  })
})

/** A Sequence of two steps, known to a project and to Knative's status. */
interface Scene {
  p: Project
  flags: string[]
  step(index: number): string
  topic(index: number): string
  knative(index: number): string
  ours(index: number): string
  /** Events `{name}0`, `{name}1`, … into the channel before a step. */
  send(step: number, name: string, count: number): Promise<void>
  takeover(...args: string[]): Promise<FnResult>
  committed(group: string, step: number): Promise<number | undefined>
}

async function scene(t: TestContext): Promise<Scene> {
  const namespace = kafka.name('flow')
  const bootstrap = kafka.cluster.bootstrap
  const p = await project(t, { 'first.ts': FIRST, 'second.ts': SECOND })
  const channel = (index: number): string => `chain-kn-sequence-${index}`
  const topic = (index: number): string => `knative-messaging-kafka.${namespace}.${channel(index)}`
  await p.write('status.json', statusOf(namespace, [0, 1].map(channel)))
  await p.write('chain.yaml', sequenceOf(namespace))
  const broker: Broker = await createKafkaBroker({
    bootstrap: bootstrap.split(','),
    clientId: 'takeover',
  })
  t.after(() => broker.close())
  for (const index of [0, 1]) await broker.ensureTopic(topic(index), { partitions: 1 })
  return {
    p,
    topic,
    flags: ['--brokers', bootstrap, '--app', kafka.name('app'), '-f', 'chain.yaml'],
    step: (index) => `${namespace}/${channel(index)}`,
    knative: (index) => `kafka.${namespace}.${channel(index)}.uid-${index}`,
    ours: (index) => `kafka.${namespace}.${channel(index)}.${channel(index)}`,
    takeover: (...args) =>
      p.fn(['takeover', '--from-status', 'status.json', '--brokers', bootstrap, ...args]),
    async send(step, name, count) {
      const events = ids(name, 0, count).map((id) => sampleEvent({ id }))
      await appendAll(
        broker,
        events.map((event) => encodeRecord(event, topic(step))),
      )
    },
    async committed(group, step) {
      const [one] = await broker.committed(group, [{ topic: topic(step), partition: 0 }])
      return one?.offset
    },
  }
}

/** What `kubectl get kafkachannel,subscription -o json` says of the steps' channels. */
function statusOf(namespace: string, channels: readonly string[]): string {
  const items = channels.flatMap((name, index) => [
    {
      apiVersion: 'messaging.knative.dev/v1beta1',
      kind: 'KafkaChannel',
      metadata: { namespace, name },
      status: { annotations: { 'default.topic': `knative-messaging-kafka.${namespace}.${name}` } },
    },
    {
      apiVersion: 'messaging.knative.dev/v1',
      kind: 'Subscription',
      metadata: { namespace, name, uid: `uid-${index}` },
      spec: {
        channel: { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel', name },
      },
    },
  ])
  return JSON.stringify({ kind: 'List', items })
}

function sequenceOf(namespace: string): string {
  return `apiVersion: flows.knative.dev/v1
kind: Sequence
metadata:
  name: chain
  namespace: ${namespace}
  annotations: { millrace.dev/durable: each }
spec:
  channelTemplate: { apiVersion: messaging.knative.dev/v1beta1, kind: KafkaChannel }
  steps:
    - ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: first }
    - ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: second }
`
}

/** Reads as the group's only member, commits `count`, and leaves, or stays until the returned stop. */
async function asDispatcher(
  group: string,
  topic: string,
  count: number,
  then: 'leaves' | 'stays' = 'leaves',
): Promise<() => Promise<void>> {
  const brokers = kafka.cluster.bootstrap.split(',')
  const consumer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const { promise: read, resolve, reject } = Promise.withResolvers<void>()
  const running = consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      if (Number(message.offset) === count - 1) resolve()
    },
  })
  running.catch(reject)
  await read
  await consumer.commitOffsets([{ topic, partition: 0, offset: String(count) }])
  if (then === 'leaves') await consumer.disconnect()
  return () => consumer.disconnect()
}

function moves({ stdout }: FnResult): unknown[][] {
  const lines = stdout.split('\n').filter(Boolean)
  return lines.map((line) => {
    const { trigger, from, to, offset } = JSON.parse(line) as Record<string, unknown>
    return [trigger, from, to, offset]
  })
}

function ids(name: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${name}${from + i}`)
}
