/** `onDeadLetter: 'park'`: a key keeps its order over a dead letter, a kill and the way back. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { it } from 'node:test'
import { forEachDriver } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { postBatch } from '../support/http-post.ts'
import { project } from '../support/project.ts'

interface EventLine {
  key: string | null
  event?: { type: string; data: { n: number } }
}

interface LetterLine {
  ref: string
  id: string
  code: string
  trigger: string
}

const LONG_MS = 180_000

forEachDriver('a key with a dead letter', (driver) => {
  it('is parked, and drained in order once the letter is mended', driver.needed, async (t) => {
    const ns = `t${randomUUID().slice(0, 8)}`
    const p = await project(t, {
      'book.ts': `
        import { DeadLetter, type CloudEvent, type FunctionMetadata } from 'millrace'
        export const metadata = {
          triggers: [{ broker: '${ns}/b', filters: [{ exact: { type: 'in' } }] }],
          delivery: { onDeadLetter: 'park' },
        } satisfies FunctionMetadata
        export function handler(event: CloudEvent<any>): any {
          if (event.data.bad) throw new DeadLetter('bad data')
          return { type: 'booked', data: event.data }
        }
      `,
    })
    await p.write('millrace.config.json', JSON.stringify({ namespace: ns }))
    assert.equal((await p.fn(['build'])).code, 0)
    const log = driver.flags().slice(0, 2)
    const letters = async (): Promise<LetterLine[]> => {
      const found = await p.json<LetterLine>(['dlq', 'list', ...log])
      return found.filter(({ trigger }) => trigger.startsWith(`${ns}/`))
    }
    const booked = async (key: string): Promise<number[]> => {
      const lines = await p.json<EventLine>(['events', '--broker', `${ns}/b`, ...log])
      return lines.flatMap((line) =>
        line.key === key && line.event?.type === 'booked' ? [line.event.data.n] : [],
      )
    }
    const event = (key: string, n: number, more: object = {}): object => ({
      specversion: '1.0',
      id: `${key}${n}`,
      source: '/e2e',
      type: 'in',
      partitionkey: key,
      data: { n, ...more },
    })

    const first = await p.start(driver.flags())
    const url = `${first.ingress}/${ns}/b`
    await postBatch(url, [event('a', 1), event('a', 2, { bad: true }), event('a', 3)])
    await postBatch(url, [event('b', 1), event('a', 4)])
    await eventually(async () => (await letters()).length === 3, 'the key is parked', LONG_MS)
    await eventually(async () => (await booked('b')).length === 1, 'another key goes on', LONG_MS)
    assert.equal(await first.end('SIGKILL'), null)

    const second = await p.start(driver.flags())
    await postBatch(`${second.ingress}/${ns}/b`, [event('a', 5)])
    const parked = await eventually(
      async () => {
        const found = await letters()
        return found.length === 4 ? found : undefined
      },
      'it is parked after a restart too',
      LONG_MS,
    )
    const byId = new Map(parked.map((letter) => [letter.id, letter]))
    assert.equal(byId.get('a2')?.code, 'FN_HANDLER_DEAD_LETTER')
    for (const id of ['a3', 'a4', 'a5']) assert.equal(byId.get(id)?.code, 'FN_DELIVERY_PARKED')

    // One that only stood behind the letter does not overtake it.
    const early = await p.fn(['dlq', 'replay', byId.get('a4')?.ref ?? '', ...log])
    assert.deepEqual(JSON.parse(early.stdout), { selected: 1, replayed: 0, skipped: 1 })

    const ref = byId.get('a2')?.ref ?? ''
    const edited = await p.fn(['dlq', 'edit', ref, '--file', '-', ...log], '{"n":2}')
    assert.equal(edited.code, 0, edited.stderr)
    const replayed = await p.fn(['dlq', 'replay', edited.stdout.trim(), ...log])
    assert.deepEqual(JSON.parse(replayed.stdout), { selected: 1, replayed: 1, skipped: 0 })
    await postBatch(`${second.ingress}/${ns}/b`, [event('a', 6)])
    await eventually(async () => (await booked('a')).length === 6, 'it is drained', LONG_MS)
    assert.deepEqual(await booked('a'), [1, 2, 3, 4, 5, 6])
    assert.deepEqual(await letters(), [])
    assert.equal(await second.end('SIGTERM'), 0)
  })
})
