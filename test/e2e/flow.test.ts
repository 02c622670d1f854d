/** Events in over HTTP, through real handlers in real isolates, out of the log; on both drivers. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { it } from 'node:test'
import { forEachDriver } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { post, postBatch, postUntilGone } from '../support/http-post.ts'
import { project, type Project } from '../support/project.ts'

interface EventLine {
  topic: string
  partition: number
  offset: number
  key: string | null
  event?: { id: string; type: string; causationid?: string; data?: Record<string, unknown> }
  error?: string
  value_base64?: string
}

interface DeadLetterLine {
  ref: string
  id: string
  code: string
  attempts: number
  error: { class: string; message: string }
}

/** A name that no other test has: Kafka outlives a test. */
function unique(): string {
  return `t${randomUUID().slice(0, 8)}`
}

function fnSource(broker: string, body: string, metadata = ''): string {
  return `
    import type { CloudEvent, FunctionMetadata } from 'millrace'
    export const metadata = {
      triggers: [{ broker: '${broker}', filters: [{ exact: { type: 'in' } }] }],
      ${metadata}
    } satisfies FunctionMetadata
    export function handler(event: CloudEvent<any>): any { ${body} }
  `
}

const LONG_MS = 180_000
const TWO_ATTEMPTS = `delivery: { retry: 1, backoffDelay: 'PT0.01S' },`
/** Enough time to fill its memory, on a busy machine too. */
const HOG = `${TWO_ATTEMPTS} limits: { memoryMiB: 32, cpuMs: 30_000 },`

function event(id: string, data: unknown = {}): { id: string; data: unknown } {
  const attributes = { specversion: '1.0', source: '/e2e', type: 'in' }
  return { ...attributes, id, data }
}

async function events(p: Project, broker: string, flags: string[]): Promise<EventLine[]> {
  return p.json<EventLine>(['events', '--broker', broker, ...operator(flags)])
}

/** Operator commands take the log, not how topics are made. */
function operator(flags: string[]): string[] {
  return flags.slice(0, 2)
}

forEachDriver('the way of an event', (driver) => {
  it('runs handlers on events and publishes what they return', driver.needed, async (t) => {
    const ns = unique()
    const broker = `${ns}/b`
    const p = await project(t, {
      [`${ns}.ts`]: fnSource(broker, `return { type: 'out', data: { n: event.data.n + 1 } }`),
    })
    assert.equal((await p.fn(['build'])).code, 0)
    const runtime = await p.start(driver.flags())
    const accepted = await post(
      `${runtime.ingress}/${broker}`,
      JSON.stringify(event('e1', { n: 1 })),
    )
    assert.deepEqual(accepted, { status: 202, text: '' })
    const reply = await eventually(async () => {
      const found = await events(p, broker, driver.flags())
      return found.find((line) => line.event?.type === 'out')
    }, 'the reply is in the log')
    assert.equal(reply.event?.causationid, 'e1')
    assert.deepEqual(reply.event?.data, { n: 2 })
    assert.equal(await runtime.end('SIGTERM'), 0)
  })

  it(
    'gives each bad event its error and processes the events around it',
    driver.needed,
    async (t) => {
      const ns = unique()
      const broker = `${ns}/b`
      const body = `
      switch (event.data.do) {
        case 'throw': throw new TypeError('no stock')
        case 'loop': for (;;);
        case 'number': return 7
      }
      return { type: 'out' }
    `
      const hog = fnSource(broker, 'const all = []; for (;;) all.push({ all })', HOG)
      const p = await project(t, {
        [`${ns}.ts`]: fnSource(broker, body, TWO_ATTEMPTS),
        [`${ns}-hog.ts`]: hog.replace(`type: 'in'`, `type: 'hog'`),
      })
      assert.equal((await p.fn(['build'])).code, 0)
      const runtime = await p.start(driver.flags())
      const url = `${runtime.ingress}/${broker}`

      const refused: Array<[body: string, status: number, reason: RegExp]> = [
        ['{"specversion":"1.0",', 400, /JSON/],
        [JSON.stringify({ specversion: '1.0', id: 'x', source: '/e2e' }), 400, /type/],
        [JSON.stringify(event('big', 'x'.repeat(2 * 1024 * 1024))), 413, /bytes/],
      ]
      for (const [text, status, reason] of refused) {
        const answer = await post(url, text)
        assert.equal(answer.status, status)
        assert.match(
          (JSON.parse(answer.text) as { error: { message: string } }).error.message,
          reason,
        )
      }
      // A value that closes the JSON around it, in binary mode: accepted, and only its own event fails.
      const forged = await fetch(url, {
        method: 'POST',
        headers: {
          'ce-specversion': '1.0',
          'ce-id': 'forged',
          'ce-source': '/e2e',
          'ce-type': 'in',
          'content-type': 'application/json',
        },
        body: '{"do":"none"}},{"id":"evil","type":"in"',
      })
      assert.equal(forged.status, 202)
      await postBatch(url, [
        event('good1', { do: 'none' }),
        event('throws', { do: 'throw' }),
        event('loops', { do: 'loop' }),
        event('good2', { do: 'none' }),
        { ...event('allocates'), type: 'hog' },
        event('number', { do: 'number' }),
        event('good3', { do: 'none' }),
      ])
      const letters = await eventually(
        async () => {
          const found = await p.json<DeadLetterLine>(['dlq', 'list', ...operator(driver.flags())])
          const own = found.filter((line) => line.ref.includes(ns))
          return own.length === 5 ? own : undefined
        },
        'five dead letters',
        LONG_MS,
      )
      const byId = Object.fromEntries(letters.map((one) => [one.id, `${one.code} ${one.attempts}`]))
      assert.deepEqual(byId, {
        forged: 'FN_DATA_INVALID 1',
        throws: 'FN_HANDLER_THREW 2',
        loops: 'FN_HANDLER_CPU 2',
        allocates: 'FN_HANDLER_MEMORY 2',
        number: 'FN_HANDLER_INVALID_REPLY 1',
      })
      const replies = await eventually(async () => {
        const found = (await events(p, broker, driver.flags())).filter(
          (line) => line.event?.type === 'out',
        )
        return found.length >= 3 ? found.map((line) => line.event?.causationid) : undefined
      }, 'three replies')
      assert.deepEqual(new Set(replies), new Set(['good1', 'good2', 'good3']))

      const thrown = letters.find((one) => one.id === 'throws') as DeadLetterLine
      const shown = await p.fn(['dlq', 'show', thrown.ref, ...operator(driver.flags())])
      assert.match(shown.stdout, /TypeError: no stock/)
      assert.match(shown.stdout, new RegExp(`functions/${ns}\\.ts:\\d+`))
      assert.equal(await runtime.end('SIGTERM'), 0)
    },
  )

  it('goes on after a kill under load: no event without an outcome', driver.needed, async (t) => {
    const ns = unique()
    const broker = `${ns}/b`
    const p = await project(t, {
      [`${ns}.ts`]: fnSource(broker, `return { type: 'out', data: event.data }`),
    })
    assert.equal((await p.fn(['build'])).code, 0)
    const accepted: string[] = []
    let sent = 0
    for (let round = 0; round < 3; round++) {
      const runtime = await p.start(driver.flags())
      const url = `${runtime.ingress}/${broker}`
      const next = (): Array<{ id: string }> =>
        Array.from({ length: 100 }, () => event(`e${++sent}`, { id: `e${sent}` }))
      const load = postUntilGone(url, next, (batch) => accepted.push(...batch.map(({ id }) => id)))
      await eventually(() => accepted.length > (round + 1) * 3_000, 'load flows')
      assert.equal(await runtime.end('SIGKILL'), null)
      await load
    }
    const runtime = await p.start(driver.flags())
    await eventually(
      async () => {
        const lag = await p.json<{ trigger: string; lag: number }>([
          'lag',
          ...operator(driver.flags()),
        ])
        return lag.length > 0 && lag.every((line) => line.lag === 0)
      },
      'no lag',
      LONG_MS,
    )
    const found = await events(p, broker, driver.flags())
    const causes = new Set(
      found.filter((line) => line.event?.type === 'out').map((line) => line.event?.causationid),
    )
    const lost = accepted.filter((id) => !causes.has(id))
    assert.deepEqual(lost, [], `${lost.length} of ${accepted.length} accepted events were lost`)
    assert.equal(await runtime.end('SIGTERM'), 0)
  })
})
