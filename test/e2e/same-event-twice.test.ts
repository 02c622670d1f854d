/** Events that come twice, and records that are no events, through a whole runtime. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import { createKafkaBroker } from '../../runtime/broker/kafka/broker.ts'
import { brokerTopic, quarantineTopic } from '../../runtime/broker/names.ts'
import { appendAll, type Broker } from '../../runtime/contract/broker.ts'
import { forEachDriver, type DriverUnderTest } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { postBatch } from '../support/http-post.ts'
import { project, type Project, type RunningRuntime } from '../support/project.ts'

interface EventLine {
  event?: { type: string; causationid?: string; data?: unknown }
  value_base64?: string
}

const LONG_MS = 180_000

function event(id: string): object {
  return { specversion: '1.0', id, source: '/e2e', type: 'in', partitionkey: 'one', data: { id } }
}

async function outcomes(runtime: RunningRuntime): Promise<Map<string, number>> {
  const text = await (await fetch(`${runtime.metrics}/metrics`)).text()
  const found = text.matchAll(/^millrace_outcomes_total\{.*outcome="(\w+)"\} (\d+)$/gm)
  return new Map([...found].map(([, outcome, count]) => [outcome as string, Number(count)]))
}

/** The log while no runtime has it. */
function openLog(p: Project, driver: DriverUnderTest): Promise<Broker> {
  const [, bootstrap] = driver.flags()
  return bootstrap === undefined
    ? createEmbeddedBroker({ dir: `${p.dir}/.millrace/data` })
    : createKafkaBroker({ bootstrap: [bootstrap], clientId: 'test' })
}

forEachDriver('an event that comes twice', (driver) => {
  it('is handled once, also over a restart', driver.needed, async (t) => {
    const ns = `t${randomUUID().slice(0, 8)}`
    const p = await project(t, {
      'one.ts': `
        export const metadata = {
          triggers: [{
            broker: '${ns}/b',
            filters: [{ exact: { type: 'in' } }],
            dedupe: { window: 'PT10M' },
          }],
        }
        export function handler(event: any): any { return { type: 'out', data: event.data } }
      `,
    })
    await p.write('millrace.config.json', JSON.stringify({ namespace: ns }))
    assert.equal((await p.fn(['build'])).code, 0)
    const replies = async (): Promise<string[]> => {
      const lines = await p.json<EventLine>([
        'events',
        '--broker',
        `${ns}/b`,
        ...driver.flags().slice(0, 2),
      ])
      return lines.flatMap(({ event: one }) =>
        one?.type === 'out' ? [one.causationid as string] : [],
      )
    }
    const first = await p.start(driver.flags())
    await postBatch(`${first.ingress}/${ns}/b`, [event('a'), event('a'), event('b')])
    await eventually(async () => (await replies()).length === 2, 'two are handled', LONG_MS)
    assert.equal(await first.end('SIGTERM'), 0)

    const second = await p.start(driver.flags())
    await postBatch(`${second.ingress}/${ns}/b`, [event('b'), event('a'), event('c')])
    await eventually(async () => (await replies()).includes('c'), 'the new one is handled', LONG_MS)
    assert.deepEqual(await replies(), ['a', 'b', 'c'])
    assert.equal((await outcomes(second)).get('deduplicated'), 2)
    assert.equal(await second.end('SIGTERM'), 0)
  })
})

forEachDriver('a record that is no event', (driver) => {
  for (const policy of ['quarantine', 'wrap', 'reject'] as const) {
    it(`is treated as invalidRecords says: ${policy}`, driver.needed, async (t) => {
      const ns = `t${randomUUID().slice(0, 8)}`
      const topic = brokerTopic({ namespace: ns, name: 'b' })
      const p = await project(t, {
        'all.ts': `
          export const metadata = {
            triggers: [{
              broker: '${ns}/b',
              startFrom: 'earliest',
              filters: [{ any: [
                { exact: { type: 'in' } },
                { exact: { type: 'dev.knative.kafka.event' } },
              ] }],
            }],
          }
          export function handler(event: any): any {
            return { type: 'out', data: { type: event.type, key: event.key } }
          }
        `,
      })
      const config = { namespace: ns, invalidRecords: policy }
      await p.write('millrace.config.json', JSON.stringify(config))
      assert.equal((await p.fn(['build'])).code, 0)
      const broker = await openLog(p, driver)
      await broker.ensureTopic(topic, { partitions: 1 })
      const bytes = Buffer.from([0, 255, 123])
      await appendAll(broker, [
        { topic, key: 'k1', value: bytes, headers: [['trace', 'x']], partitionBy: 0 },
      ])
      await broker.close()

      const runtime = await p.start(driver.flags())
      await postBatch(`${runtime.ingress}/${ns}/b`, [event('a')])
      const replied = policy === 'wrap' ? 2 : 1
      const replies = await eventually(
        async () => {
          const lines = await p.json<EventLine>([
            'events',
            '--broker',
            `${ns}/b`,
            ...driver.flags().slice(0, 2),
          ])
          const out = lines.flatMap(({ event: one }) => (one?.type === 'out' ? [one.data] : []))
          return out.length === replied ? out : undefined
        },
        'the event behind it is handled',
        LONG_MS,
      )
      // The event has another key, and may have overtaken the record.
      const outcome = { quarantine: 'quarantined', wrap: undefined, reject: 'dropped' }[policy]
      if (outcome !== undefined) {
        await eventually(
          async () => (await outcomes(runtime)).get(outcome) === 1,
          `the record is ${outcome}`,
          LONG_MS,
        )
      }
      assert.equal(await runtime.end('SIGTERM'), 0)
      const after = await openLog(p, driver)
      const kept = await after.topics([quarantineTopic(topic)])
      if (policy === 'quarantine') {
        const at = { topic: quarantineTopic(topic), partition: 0 }
        const places = Array.from({ length: kept[0]?.partitions ?? 0 }, (_, partition) => ({
          ...at,
          partition,
        }))
        const batches = await Promise.all(places.map((place) => after.read(place, 0)))
        const [record] = batches.flatMap(({ records }) => records)
        assert.deepEqual(record?.value, bytes)
        assert.equal(record?.key?.toString(), 'k1')
      } else {
        assert.deepEqual(kept, [])
      }
      if (policy === 'wrap') {
        const wrapped = { type: 'dev.knative.kafka.event', key: 'k1' }
        assert.ok(replies.some((data) => isDeepStrictEqual(data, wrapped)))
      }
      await after.close()
    })
  }
})
