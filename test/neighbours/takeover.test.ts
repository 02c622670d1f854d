/** `fn takeover` between a kafkajs consumer, in Knative's place, and Millrace's runtime, on a real Kafka. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Kafka, logLevel, type Consumer } from 'kafkajs'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { encodeRecord } from '../../runtime/codec/record.ts'
import { encodeFinished } from '../../runtime/consumer/finished-offsets.ts'
import { appendAll, type Broker } from '../../runtime/contract/broker.ts'
import { sampleEvent } from '../support/event-arbitraries.ts'
import { eventually } from '../support/eventually.ts'
import { kafkaForTests } from '../support/kafka.ts'
import { project, type FnResult, type Project } from '../support/project.ts'

interface MoveLine {
  trigger: string
  topic: string
  partition: number
  from: string
  to: string
  offset: number | null
}

/** A broker and a trigger of their own, their names known to a project and to Knative's status. */
interface Scene {
  p: Project
  broker: Broker
  topic: string
  ours: string
  knative: string
  takeover(...args: string[]): Promise<FnResult>
  send(from: number, to: number): Promise<void>
  /** As Knative's dispatcher: reads `count` events, commits, and leaves. */
  asKnative(count: number): Promise<string[]>
  member(): Promise<Consumer>
  committed(group: string): Promise<number | undefined>
}

const kafka = kafkaForTests()

async function scene(t: TestContext, group?: string): Promise<Scene> {
  const name = kafka.name('takeover')
  const topic = `knative-broker-${name}-b`
  const ours = `knative-trigger-${name}-seen`
  const knative = group ?? kafka.name('uid')
  const p = await project(t, {
    'seen.ts': `export const metadata = { triggers: [{ broker: '${name}/b' }] }
      export function handler(event) { console.log('saw ' + event.id) }`,
  })
  const resource = (kind: string, own: object): object => ({
    apiVersion: 'eventing.knative.dev/v1',
    kind,
    ...own,
  })
  const items = [
    resource('Broker', {
      metadata: { namespace: name, name: 'b' },
      status: { annotations: { 'default.topic': topic } },
    }),
    resource('Trigger', {
      metadata: { namespace: name, name: 'seen' },
      spec: { broker: 'b' },
      status: { annotations: { 'group.id': knative === 'same' ? ours : knative } },
    }),
  ]
  await p.write('status.json', JSON.stringify({ kind: 'List', items }))
  const bootstrap = kafka.cluster.bootstrap
  const broker = await createKafkaBroker({ bootstrap: bootstrap.split(','), clientId: 'takeover' })
  t.after(() => broker.close())
  await broker.ensureTopic(topic, { partitions: 1 })
  const client = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
  const knativeGroup = knative === 'same' ? ours : knative
  const member = async (): Promise<Consumer> => {
    const consumer = client.consumer({ groupId: knativeGroup })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    return consumer
  }
  return {
    p,
    broker,
    topic,
    ours,
    knative: knativeGroup,
    member,
    takeover: (...args) =>
      p.fn(['takeover', '--from-status', 'status.json', '--brokers', bootstrap, ...args]),
    async send(from, to) {
      const ids = Array.from({ length: to - from }, (_, i) => `e${from + i}`)
      await appendAll(
        broker,
        ids.map((id) => encodeRecord(sampleEvent({ id }), topic)),
      )
    },
    async asKnative(count) {
      const consumer = await member()
      const seen: string[] = []
      await new Promise<void>((resolve, reject) => {
        const eachMessage = async ({ message }: { message: { headers?: object } }) => {
          if (seen.length === count) throw new Error('enough')
          seen.push(String(Reflect.get(message.headers ?? {}, 'ce_id')))
          if (seen.length === count) resolve()
        }
        consumer.run({ autoCommitThreshold: 1, eachMessage }).catch(reject)
      })
      await eventually(
        async () => (await committed(knativeGroup)) !== undefined,
        'Knative has committed',
      )
      await consumer.disconnect()
      return seen
    },
    committed,
  }
  async function committed(of: string): Promise<number | undefined> {
    const [one] = await broker.committed(of, [{ topic, partition: 0 }])
    return one?.offset
  }
}

function moves({ stdout }: FnResult): MoveLine[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as MoveLine)
}

describe('fn takeover', () => {
  it(
    'goes on where Knative stopped, and gives back where it stopped itself',
    kafka.needed,
    async (t) => {
      const s = await scene(t)
      await s.send(0, 20)
      assert.deepEqual(await s.asKnative(7), ids(0, 7))
      assert.equal(await s.committed(s.knative), 7)

      const taken = await s.takeover('--json')
      assert.equal(taken.code, 0, taken.stderr)
      const line = {
        trigger: s.topic.replace(/^knative-broker-(.*)-b$/, '$1/seen'),
        topic: s.topic,
      }
      assert.deepEqual(moves(taken), [
        { ...line, partition: 0, from: s.knative, to: s.ours, offset: 7 },
      ])
      assert.equal(await s.committed(s.ours), 7)

      const flags = ['--brokers', kafka.cluster.bootstrap, '--app', kafka.name('app')]
      assert.equal((await s.p.fn(['build'])).code, 0)
      const runtime = await s.p.start(flags)
      await eventually(async () => (await s.committed(s.ours)) === 20, 'Millrace read on')
      const refused = await s.takeover('--back', '--app', flags.at(-1) ?? '')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /runs \(group .* has members\); stop it first/)
      assert.equal(await runtime.end('SIGTERM'), 0)
      const saw = [...runtime.output().matchAll(/saw (e\d+)/g)].map(([, id]) => id)
      assert.deepEqual(new Set(saw), new Set(ids(7, 20)))
      assert.equal(saw.length, 13)

      const given = await s.takeover('--back', '--json')
      assert.equal(given.code, 0, given.stderr)
      assert.deepEqual(moves(given), [
        { ...line, partition: 0, from: s.ours, to: s.knative, offset: 20 },
      ])
      await s.send(20, 25)
      assert.deepEqual(await s.asKnative(5), ids(20, 25))
    },
  )

  it('refuses while a consumer of the group lives, and moves nothing', kafka.needed, async (t) => {
    const s = await scene(t)
    await s.send(0, 3)
    await s.broker.commit(s.knative, [{ topic: s.topic, partition: 0, offset: 2 }])
    const consumer = await s.member()
    t.after(() => consumer.disconnect())
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.GROUP_JOIN, () => resolve())
      consumer.run({ autoCommit: false, eachMessage: async () => {} }).catch(reject)
    })
    for (const way of [[], ['--back'], ['--force']]) {
      const { code, stdout, stderr } = await s.takeover(...way)
      assert.equal(code, 1, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, /has members/)
    }
    assert.equal(await s.committed(s.ours), undefined)
  })

  it('has nothing to move where both use one group', kafka.needed, async (t) => {
    const s = await scene(t, 'same')
    await s.send(0, 5)
    assert.deepEqual(await s.asKnative(2), ids(0, 2))
    const taken = await s.takeover('--json')
    assert.equal(taken.code, 0, taken.stderr)
    assert.deepEqual(
      moves(taken).map(({ from, to, offset }) => [from, to, offset]),
      [[s.ours, s.ours, 2]],
    )
    assert.equal(await s.committed(s.ours), 2)
  })

  it('refuses what would be lost or run twice, unless forced', kafka.needed, async (t) => {
    const s = await scene(t)
    await s.send(0, 10)
    const at = { topic: s.topic, partition: 0 }
    const nothing = await s.takeover()
    assert.equal(nothing.code, 1)
    assert.match(nothing.stderr, /has committed nothing for topic/)

    await s.broker.commit(s.knative, [{ ...at, offset: 3 }])
    await s.broker.commit(s.ours, [{ ...at, offset: 8 }])
    const taken = await s.takeover()
    assert.equal(taken.code, 1)
    assert.match(taken.stderr, /stands at 8 in partition 0, and .* at 3: somebody has run it since/)
    assert.equal((await s.takeover('--force')).code, 0)
    assert.equal(await s.committed(s.ours), 3)

    const { metadata } = encodeFinished(5, [[6, 9]])
    await s.broker.commit(s.ours, [{ ...at, offset: 5, metadata }])
    const back = await s.takeover('--back')
    assert.equal(back.code, 1)
    assert.match(back.stderr, /stands at 5, and 3 later events are finished already/)
    assert.equal(await s.committed(s.knative), 3)
    assert.equal((await s.takeover('--back', '--force')).code, 0)
    assert.equal(await s.committed(s.knative), 5)
  })

  it('says what is wrong with its use, and that Kafka does not answer', kafka.needed, async (t) => {
    const s = await scene(t)
    const file = ['takeover', '--from-status', 'status.json']
    assert.equal((await s.p.fn(['takeover'])).code, 64)
    assert.equal((await s.p.fn(['takeover', '--from-status', 'none.yaml'])).code, 64)
    assert.equal((await s.p.fn(file)).code, 64)
    const unknown = await s.takeover('events/other')
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /has no Kafka trigger events\/other; there are /)
    const { code, stderr } = await s.p.fn([...file, '--brokers', '127.0.0.1:1'])
    assert.equal(code, 3, stderr)
  })
})

function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `e${from + i}`)
}
