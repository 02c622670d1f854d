/** What only a real Kafka can show: its own tools, crashes between commits, members that come and go. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { brokerTopic, triggerGroup } from '../../runtime/broker/names.ts'
import { encodeRecord } from '../../runtime/codec/record.ts'
import { appendAll, type Broker } from '../../runtime/contract/broker.ts'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-post.ts'
import { kafkaForTests } from '../support/kafka.ts'
import { project, type Project } from '../support/project.ts'

const kafka = kafkaForTests()
const LONG_MS = 180_000

interface EventLine {
  event?: { id: string; type: string; causationid?: string; data: { key: string; n: number } }
}

interface Setting {
  ns: string
  broker: string
  topic: string
  flags: string[]
  p: Project
}

async function setting(t: TestContext, handlerBody: string): Promise<Setting> {
  const ns = `t${randomUUID().slice(0, 8)}`
  const broker = `${ns}/b`
  const p = await project(t, {
    'echo.ts': `
      import type { CloudEvent, FunctionMetadata } from 'millrace'
      export const metadata = {
        triggers: [{ broker: '${broker}', filters: [{ exact: { type: 'in' } }] }],
      } satisfies FunctionMetadata
      export async function handler(event: CloudEvent<any>): Promise<any> { ${handlerBody} }
    `,
  })
  assert.equal((await p.fn(['build'])).code, 0)
  const flags = ['--brokers', kafka.cluster.bootstrap, '--partitions', '4', '--app', ns]
  return { ns, broker, topic: brokerTopic({ namespace: ns, name: 'b' }), flags, p }
}

async function connected(t: TestContext): Promise<Broker> {
  const broker = await createKafkaBroker({ bootstrap: [kafka.cluster.bootstrap], clientId: 'test' })
  t.after(() => broker.close())
  return broker
}

function records(topic: string, from: number, count: number): Parameters<typeof appendAll>[1] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    const key = `k${n % 20}`
    const bytes = Buffer.from(JSON.stringify({ key, n }))
    return encodeRecord(
      {
        attributes: {
          specversion: '1.0',
          id: `e${n}`,
          source: '/e2e',
          type: 'in',
          datacontenttype: 'application/json',
          partitionkey: key,
        },
        data: { kind: 'json', bytes },
      },
      topic,
    )
  })
}

async function replies(s: Setting): Promise<NonNullable<EventLine['event']>[]> {
  const lines = await s.p.json<EventLine>([
    'events',
    '--broker',
    s.broker,
    '--type',
    'out',
    '--brokers',
    kafka.cluster.bootstrap,
  ])
  return lines.flatMap(({ event }) => (event === undefined ? [] : [event]))
}

async function allAnswered(s: Setting, count: number): Promise<NonNullable<EventLine['event']>[]> {
  return eventually(
    async () => {
      const found = await replies(s)
      return new Set(found.map((one) => one.causationid)).size === count ? found : undefined
    },
    `${count} events are answered`,
    LONG_MS,
  )
}

const ECHO = `return { type: 'out', data: event.data }`

describe('on Kafka', () => {
  it("writes what Kafka's own tools read as Knative's", kafka.needed, async (t) => {
    const s = await setting(t, ECHO)
    const runtime = await s.p.start(s.flags)
    const event = {
      specversion: '1.0',
      id: 'e0',
      source: '/e2e',
      type: 'in',
      datacontenttype: 'application/json',
      partitionkey: 'k0',
      data: { key: 'k0', n: 0 },
    }
    assert.equal((await post(`${runtime.ingress}/${s.broker}`, JSON.stringify(event))).status, 202)
    await allAnswered(s, 1)
    const read = await kafka.cluster.tool('console-consumer', [
      '--topic',
      s.topic,
      '--from-beginning',
      '--max-messages',
      '2',
      '--property',
      'print.headers=true',
      '--property',
      'print.key=true',
    ])
    const [first, reply] = read.trim().split('\n')
    for (const header of [
      'ce_id:e0',
      'ce_source:/e2e',
      'ce_type:in',
      'content-type:application/json',
    ]) {
      assert.ok(first?.includes(header), `${header} in ${first}`)
    }
    assert.match(first ?? '', /\tk0\t\{"key":"k0","n":0\}$/)
    assert.ok(!first?.includes('ce_datacontenttype'))
    assert.match(reply ?? '', /ce_type:out.*\tk0\t/)

    const group = triggerGroup({ namespace: s.ns, name: 'echo' })
    await eventually(
      async () => {
        const [info] = await s.p.json<{ lag: number }>([
          'lag',
          '--brokers',
          kafka.cluster.bootstrap,
        ])
        return info?.lag === 0
      },
      'it is committed',
      LONG_MS,
    )
    const described = await kafka.cluster.tool('consumer-groups', ['--describe', '--group', group])
    assert.match(described, new RegExp(`${group}\\s+${s.topic}\\s+\\d+\\s+\\d+\\s+\\d+\\s+\\d+`))
    assert.equal(await runtime.end('SIGTERM'), 0)
  })

  it('loses nothing when it is killed before its first commit', kafka.needed, async (t) => {
    const s = await setting(t, ECHO)
    const log = await connected(t)
    await log.ensureTopic(s.topic, { partitions: 4 })
    await appendAll(log, records(s.topic, 1_000, 50)) // before the trigger: `latest` skips them
    const first = await s.p.start([...s.flags, '--commit-interval-ms', '60000'])
    assert.equal(await first.end('SIGKILL'), null)
    await appendAll(log, records(s.topic, 0, 200))
    const second = await s.p.start(s.flags)
    const found = await allAnswered(s, 200)
    assert.ok(found.every(({ data }) => data.n < 200))
    assert.equal(await second.end('SIGTERM'), 0)
  })

  it('hands partitions over with work in flight, in order by key', kafka.needed, async (t) => {
    const s = await setting(t, `await new Promise((resolve) => setTimeout(resolve, 5)); ${ECHO}`)
    const log = await connected(t)
    const first = await s.p.start(s.flags)
    const other = await project(t, {})
    let sent = 0
    let stop = false
    const load = (async () => {
      for (; !stop; sent += 10) await appendAll(log, records(s.topic, sent, 10))
    })()
    await eventually(() => sent >= 1_000, 'load flows', LONG_MS)
    await other.copyBuild(s.p)
    const second = await other.start(s.flags)
    const before = sent
    await eventually(() => sent >= before + 1_000, 'load flows on', LONG_MS)
    assert.equal(await first.end('SIGTERM'), 0)
    stop = true
    await load
    const found = await allAnswered(s, sent)
    const seen = new Map<string, number>()
    const known = new Set<string>()
    for (const { id, data } of found) {
      if (known.has(id)) continue // a repetition: the first occurrence is judged
      known.add(id)
      const last = seen.get(data.key) ?? -1
      assert.ok(data.n > last, `key ${data.key}: ${data.n} after ${last}`)
      seen.set(data.key, data.n)
    }
    t.diagnostic(`${sent} events, ${found.length - known.size} repetitions`)
    assert.equal(await second.end('SIGTERM'), 0)
  })
})
