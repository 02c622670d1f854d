/** `delivery.exactlyOnce`: whatever is killed, the log has each reply once, and its progress with it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { it } from 'node:test'
import { forEachDriver, type DriverUnderTest } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { postUntilGone } from '../support/http-post.ts'
import { project, type Project } from '../support/project.ts'

interface EventLine {
  event?: { id: string; type: string; causationid?: string; data: { n: number } }
}

const LONG_MS = 180_000

function source(broker: string, body: string): string {
  return `
    import type { CloudEvent, FunctionMetadata } from 'millrace'
    export const metadata = {
      triggers: [{ broker: '${broker}', filters: [{ exact: { type: 'in' } }] }],
      delivery: { exactlyOnce: true, retry: 1, backoffDelay: 'PT0.01S' },
    } satisfies FunctionMetadata
    export async function handler(event: CloudEvent<any>): Promise<any> { ${body} }
  `
}

function event(n: number): { id: string; data: unknown } {
  const attributes = { specversion: '1.0', source: '/e2e', type: 'in', partitionkey: `k${n % 20}` }
  return { ...attributes, id: `e${n}`, data: { n } }
}

/** Operator commands take the log, not how topics are made. */
function logFlags(driver: DriverUnderTest): string[] {
  return driver.flags().slice(0, 2)
}

async function events(p: Project, broker: string, driver: DriverUnderTest): Promise<EventLine[]> {
  return p.json<EventLine>(['events', '--broker', broker, ...logFlags(driver)])
}

async function noLag(p: Project, driver: DriverUnderTest): Promise<void> {
  await eventually(
    async () => {
      const lag = await p.json<{ lag: number }>(['lag', ...logFlags(driver)])
      return lag.length > 0 && lag.every((line) => line.lag === 0)
    },
    'no lag',
    LONG_MS,
  )
}

forEachDriver('exactly once', (driver) => {
  it('has each reply once, though the runtime is killed under load', driver.needed, async (t) => {
    const ns = `t${randomUUID().slice(0, 8)}`
    const broker = `${ns}/b`
    const work = `await new Promise((resolve) => setTimeout(resolve, 2))
      if (event.data.n % 997 === 0) throw new Error('poison')
      return { type: 'out', data: event.data }`
    const p = await project(t, { [`${ns}.ts`]: source(broker, work) })
    assert.equal((await p.fn(['build'])).code, 0)
    const accepted = new Set<string>()
    let sent = 0
    for (let round = 0; round < 3; round++) {
      const runtime = await p.start([...driver.flags(), '--app', ns])
      const next = (): Array<{ id: string }> => Array.from({ length: 100 }, () => event(++sent))
      const load = postUntilGone(`${runtime.ingress}/${broker}`, next, (batch) => {
        for (const { id } of batch) accepted.add(id)
      })
      await eventually(() => accepted.size > (round + 1) * 1_500, 'load flows', LONG_MS)
      assert.equal(await runtime.end('SIGKILL'), null)
      await load
    }
    const runtime = await p.start([...driver.flags(), '--app', ns])
    await noLag(p, driver)
    const found = await events(p, broker, driver)
    const replies = found.flatMap(({ event }) => (event?.type === 'out' ? [event] : []))
    const causes = replies.map((event) => event.causationid as string)
    const letters = await p.json<{ id: string; ref: string }>(['dlq', 'list', ...logFlags(driver)])
    const dead = letters.filter(({ ref }) => ref.includes(ns)).map(({ id }) => id)
    assert.equal(new Set(causes).size, causes.length, 'a reply is there twice')
    assert.equal(new Set(dead).size, dead.length, 'a dead letter is there twice')
    const ended = new Set([...causes, ...dead])
    const lost = [...accepted].filter((id) => !ended.has(id))
    assert.deepEqual(lost, [])
    assert.ok(dead.length > 0)
    assert.ok(dead.every((id) => Number(id.slice(1)) % 997 === 0))
    assert.equal(await runtime.end('SIGTERM'), 0)
  })
})
