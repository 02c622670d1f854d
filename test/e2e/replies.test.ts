/** What becomes of replies in whole runtimes: those of batches, and those that run in circles. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { it } from 'node:test'
import { forEachDriver } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { post, postBatch } from '../support/http-post.ts'
import { project } from '../support/project.ts'

const LONG_MS = 180_000

interface EventLine {
  event?: { id: string; type: string; causationid?: string; millracehops?: number | string }
}

interface DeadLetterLine {
  ref: string
  id: string
  code: string
  attempts: number
  error: { class: string; message: string }
}

function fnSource(broker: string, type: string, code: string): string {
  return `
    export const metadata = {
      triggers: [{ broker: '${broker}', filters: [{ exact: { type: '${type}' } }] }],
      delivery: { retry: 1, backoffDelay: 'PT0.01S' },
    }
    ${code}
  `
}

function event(id: string, type: string): object {
  return { specversion: '1.0', id, source: '/e2e', type, partitionkey: 'one', data: {} }
}

forEachDriver('replies', (driver) => {
  /** Operator commands take the log, not how topics are made. */
  const log = (): string[] => driver.flags().slice(0, 2)

  it(
    'of a batch: each event has its own, and bad ones cost only themselves',
    driver.needed,
    async (t) => {
      const ns = `t${randomUUID().slice(0, 8)}`
      const broker = `${ns}/b`
      const p = await project(t, {
        [`${ns}.ts`]: fnSource(
          broker,
          'in',
          `import { DeadLetter } from 'millrace'
         export function batch(events: any[]): any {
           if (events.some((event) => event.id === 'throws')) throw new TypeError('no stock')
           return events.map((event) => event.id === 'dead' ? new DeadLetter('no') : { type: 'out' })
         }`,
        ),
      })
      assert.equal((await p.fn(['build'])).code, 0)
      const runtime = await p.start(driver.flags())
      const ids = ['good1', 'dead', 'good2', 'throws', 'good3']
      await postBatch(
        `${runtime.ingress}/${broker}`,
        ids.map((id) => event(id, 'in')),
      )
      const causes = await eventually(
        async () => {
          const found = await p.json<EventLine>(['events', '--broker', broker, ...log()])
          const replies = found.filter((line) => line.event?.type === 'out')
          return replies.length >= 3 ? replies.map((line) => line.event?.causationid) : undefined
        },
        'three replies',
        LONG_MS,
      )
      // All have one key, so they come in the order of their causes.
      assert.deepEqual(causes, ['good1', 'good2', 'good3'])
      const letters = await eventually(async () => {
        const found = await p.json<DeadLetterLine>(['dlq', 'list', ...log()])
        const own = found.filter(({ ref }) => ref.includes(ns))
        return own.length >= 2 ? own : undefined
      }, 'two dead letters')
      assert.deepEqual(
        letters.map(({ id, code, attempts }) => [id, code, attempts]),
        [
          ['dead', 'FN_HANDLER_DEAD_LETTER', 1],
          ['throws', 'FN_HANDLER_THREW', 2],
        ],
      )
      assert.equal(await runtime.end('SIGTERM'), 0)
    },
  )

  it('that run in a circle end after 255, in a dead letter', driver.needed, async (t) => {
    const ns = `t${randomUUID().slice(0, 8)}`
    const broker = `${ns}/b`
    const p = await project(t, {
      [`${ns}-a.ts`]: fnSource(broker, 'ping', `export const handler = () => ({ type: 'pong' })`),
      [`${ns}-b.ts`]: fnSource(broker, 'pong', `export const handler = () => ({ type: 'ping' })`),
    })
    assert.equal((await p.fn(['build'])).code, 0)
    const runtime = await p.start(driver.flags())
    await post(`${runtime.ingress}/${broker}`, JSON.stringify(event('first', 'ping')))
    const letter = await eventually(
      async () => {
        const found = await p.json<DeadLetterLine>(['dlq', 'list', ...log()])
        return found.find(({ ref }) => ref.includes(ns))
      },
      'the circle is cut',
      LONG_MS,
    )
    assert.equal(`${letter.code} ${letter.error.class}`, 'FN_DELIVERY_HOP_LIMIT HopLimit')
    assert.match(letter.error.message, /since the event first\./)
    const lines = await p.json<EventLine>(['events', '--broker', broker, ...log()])
    const hops = lines.map((line) => Number(line.event?.millracehops ?? 0))
    assert.deepEqual(
      hops,
      Array.from({ length: 256 }, (_, n) => n),
    )
    assert.equal(await runtime.end('SIGTERM'), 0)
  })
})
