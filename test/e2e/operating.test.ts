/** What an operator does about dead letters and triggers, with the real `fn`, while a runtime runs and after. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import type { WhyReport } from '../../cli/why/report.ts'
import { forEachDriver, type DriverUnderTest } from '../support/drivers.ts'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-post.ts'
import { project, type Project, type RunningRuntime } from '../support/project.ts'

interface LetterLine {
  ref: string
  trigger: string
  id: string
  code: string
  attempts: number
  state: string
}

interface EventLine {
  event?: { type: string; causationid?: string; data?: unknown }
}

interface Started {
  p: Project
  ns: string
  runtime: RunningRuntime
  /** Flags of operator commands. */
  log: string[]
  letters(flags?: string[]): Promise<LetterLine[]>
  replies(type: string): Promise<EventLine[]>
  send(id: string, data: unknown, key?: string): Promise<void>
}

function source(ns: string, body: string): string {
  return `
    import type { CloudEvent, FunctionMetadata } from 'millrace'
    export const metadata = {
      triggers: [{ broker: '${ns}/b', filters: [{ exact: { type: 'in' } }] }],
      delivery: { retry: 1, backoffDelay: 'PT0.01S' },
    } satisfies FunctionMetadata
    export function handler(event: CloudEvent<any>): any { ${body} }
  `
}

/** `double` fails on what is no number, `count` takes everything. */
async function started(t: TestContext, driver: DriverUnderTest): Promise<Started> {
  const ns = `t${randomUUID().slice(0, 8)}`
  const p = await project(t, {
    'double.ts': source(
      ns,
      `if (typeof event.data.n !== 'number') throw new TypeError('n is no number')
       return { type: 'doubled', data: { n: event.data.n * 2 } }`,
    ),
    'count.ts': source(ns, `return { type: 'counted' }`),
  })
  // Names of their own: a Kafka outlives a test.
  await p.write('millrace.config.json', JSON.stringify({ namespace: ns }))
  const built = await p.fn(['build'])
  assert.equal(built.code, 0, built.stderr)
  const runtime = await p.start(driver.flags())
  const log = driver.flags().slice(0, 2)
  return {
    p,
    ns,
    runtime,
    log,
    letters: async (flags = []) => {
      const found = await p.json<LetterLine>(['dlq', 'list', ...log, ...flags])
      return found.filter(({ trigger }) => trigger.startsWith(`${ns}/`))
    },
    replies: async (type) => {
      const found = await p.json<EventLine>(['events', '--broker', `${ns}/b`, ...log])
      return found.filter(({ event }) => event?.type === type)
    },
    send: async (id, data, key) => {
      const attributes = key === undefined ? {} : { partitionkey: key }
      const event = { specversion: '1.0', id, source: '/e2e', type: 'in', data, ...attributes }
      const { status } = await post(`${runtime.ingress}/${ns}/b`, JSON.stringify(event))
      assert.equal(status, 202)
    },
  }
}

async function fnJson<T>({ p, log }: Started, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await p.fn([...args, ...log])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as T
}

forEachDriver('dead letters', (driver) => {
  it(
    'are corrected, replayed to the trigger that failed only, and once',
    driver.needed,
    async (t) => {
      const s = await started(t, driver)
      const { p, log, runtime } = s
      await s.send('bad', { n: 'one' }, 'k')
      const [letter] = await eventually(async () => {
        const found = await s.letters()
        return found.length === 1 ? found : undefined
      }, 'a dead letter')
      assert.ok(letter)
      assert.deepEqual([letter.id, letter.attempts, letter.state], ['bad', 2, 'open'])

      // So that one that comes later is seen to be of a replay.
      await eventually(async () => (await s.replies('counted')).length === 1, 'it is counted')

      const dry = await p.fn(['dlq', 'replay', letter.ref, '--dry-run', ...log])
      assert.deepEqual(JSON.parse(dry.stdout), {
        selected: 1,
        replayed: 0,
        skipped: 0,
        wouldReplay: 1,
      })
      assert.match(dry.stderr, /would be replayed/)

      await mkdir(join(p.dir, 'schemas'))
      const schema = { properties: { n: { type: 'number' } }, required: ['n'] }
      await p.write('schemas/in.json', JSON.stringify(schema))
      const broken = await p.fn(['dlq', 'edit', letter.ref, '--file', '-', ...log], '{"n":')
      assert.equal(broken.code, 64)
      assert.match(broken.stderr, /not JSON/)
      const wrong = await p.fn(['dlq', 'edit', letter.ref, '--file', '-', ...log], '{"n": "1"}')
      assert.equal(wrong.code, 64)
      assert.match(wrong.stderr, /schemas\/in\.json.*\n.*n must be a number/)
      const edited = await p.fn(['dlq', 'edit', letter.ref, '--file', '-', ...log], '{"n": 21}')
      assert.equal(edited.code, 0, edited.stderr)
      const to = edited.stdout.trim()

      const replay = ['dlq', 'replay', '--function', 'double', '--key', 'k', '--since', 'PT1H']
      const mine = `${letter.ref.split('/')[0]}`
      const first = await fnJson(s, ...replay, '--error', 'n is no number')
      assert.deepEqual(first, { selected: 2, replayed: 1, skipped: 1 }, mine)
      const [reply] = await eventually(async () => {
        const found = await s.replies('doubled')
        return found.length > 0 ? found : undefined
      }, 'the replayed event is handled')
      assert.deepEqual([reply?.event?.causationid, reply?.event?.data], ['bad', { n: 42 }])
      const again = await fnJson(s, ...replay, '--error', 'n is no number')
      assert.deepEqual(again, { selected: 2, replayed: 0, skipped: 2 })
      assert.equal((await s.replies('doubled')).length, 1)
      assert.equal((await s.replies('counted')).length, 1, 'the other trigger saw no replay')
      assert.deepEqual(await s.letters(), [])

      const stateOf = async (): Promise<unknown> => {
        const all = await s.letters(['--all'])
        return Object.fromEntries(all.map(({ ref, state }) => [ref, state]))
      }
      const states = { [letter.ref]: 'edited', [to]: 'replayed' }
      assert.deepEqual(await stateOf(), states)
      const why = await fnJson<WhyReport>(s, 'why', 'bad', '--broker', `${s.ns}/b`, '--json')
      assert.deepEqual(
        Object.fromEntries(why.deadLetters.map(({ ref, state }) => [ref, state])),
        states,
      )
      assert.equal(await runtime.end('SIGTERM'), 0)
      // With no runtime the same commands read the log themselves.
      assert.deepEqual(await stateOf(), states)
      const later = await fnJson<WhyReport>(s, 'why', 'bad', '--json')
      assert.deepEqual(later.deadLetters, why.deadLetters)
    },
  )

  it('fail again with their first origin, and can be discarded', driver.needed, async (t) => {
    const s = await started(t, driver)
    await s.send('bad', { n: 'one' })
    const [letter] = await eventually(async () => {
      const found = await s.letters()
      return found.length === 1 ? found : undefined
    }, 'a dead letter')
    assert.ok(letter)
    await fnJson(s, 'dlq', 'replay', letter.ref)
    const [second] = await eventually(async () => {
      const found = await s.letters()
      return found.length === 1 && found[0]?.ref !== letter.ref ? found : undefined
    }, 'its replay fails')
    assert.ok(second)
    const [shown] = await s.p.json<{ origin: string; replayOf: string }>([
      'dlq',
      'show',
      second.ref,
      ...s.log,
    ])
    assert.equal(shown?.replayOf, letter.ref)
    assert.match(shown.origin, new RegExp(`^knative-broker-${s.ns}-b/\\d+/0$`))
    const nothing = await s.p.fn(['dlq', 'discard', '--reason', 'test', ...s.log])
    assert.equal(nothing.code, 64)
    const none = await s.p.fn(['dlq', 'discard', second.ref, ...s.log])
    assert.equal(none.code, 64, 'a reason is needed')
    assert.deepEqual(await fnJson(s, 'dlq', 'discard', second.ref, '--reason', 'a test'), {
      selected: 1,
      discarded: 1,
      skipped: 0,
    })
    const stats = await s.p.json<{
      trigger: string
      open: number
      replayed: number
      discarded: number
    }>(['dlq', 'stats', '--function', 'double', ...s.log])
    const own = stats.filter(({ trigger }) => trigger === `${s.ns}/double`)
    assert.deepEqual(
      own.map(({ open, replayed, discarded }) => [open, replayed, discarded]),
      [[0, 1, 1]],
    )
    assert.equal(await s.runtime.end('SIGTERM'), 0)
  })
})

forEachDriver('triggers', (driver) => {
  it('are paused and go on where they were', driver.needed, async (t) => {
    const s = await started(t, driver)
    const name = `${s.ns}/double`
    const unknown = await s.p.fn(['pause', 'none', ...s.log])
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, new RegExp(`there are ${s.ns}/count, ${name}`))
    const paused = await fnJson<{ trigger: string; paused: boolean; reason: string }>(
      s,
      'pause',
      'double',
      '--reason',
      'a fix is on its way',
      '--json',
    )
    assert.deepEqual(
      [paused.trigger, paused.paused, paused.reason],
      [name, true, 'a fix is on its way'],
    )
    const isPaused = async (): Promise<boolean> => {
      const lines = await s.p.json<{ trigger: string; paused: boolean }>(['lag', ...s.log])
      return lines.filter(({ trigger }) => trigger === name).every((line) => line.paused)
    }
    await eventually(isPaused, 'the trigger is paused')
    await s.send('waits', { n: 1 })
    await eventually(async () => (await s.replies('counted')).length === 1, 'the other one goes on')
    assert.deepEqual(await s.replies('doubled'), [])
    const held = await fnJson<WhyReport>(s, 'why', 'waits', '--json')
    assert.ok(held.occurrences !== 'not kept' && held.occurrences[0]?.triggers !== 'not kept')
    const double = held.occurrences[0]?.triggers.find(({ trigger }) => trigger === name)
    assert.notEqual(double?.position.state, 'finished')
    assert.deepEqual([double?.attempts, double?.outcome], ['not kept', 'not kept'])
    await fnJson(s, 'resume', name, '--json')
    await eventually(async () => (await s.replies('doubled')).length === 1, 'it goes on')
    assert.equal(await isPaused(), false)
    const running = await s.p.fn(['resume', name, '--from', 'earliest', ...s.log])
    assert.equal(running.code, 64)
    assert.match(running.stderr, /has not lost its position/)
    assert.equal(await s.runtime.end('SIGTERM'), 0)
  })

  it('tell why an event went where it went', driver.needed, async (t) => {
    const s = await started(t, driver)
    await s.send('good', { n: 1 }, 'k')
    await eventually(async () => (await s.replies('doubled')).length === 1, 'a reply')
    const why = await eventually(async () => {
      const report = await fnJson<WhyReport>(s, 'why', 'good', '--source', '/e2e', '--json')
      assert.ok(report.occurrences !== 'not kept')
      const { triggers } = report.occurrences[0] ?? {}
      assert.ok(triggers !== undefined && triggers !== 'not kept')
      return triggers.every(({ position }) => position.state === 'finished') ? report : undefined
    }, 'both triggers have committed')
    assert.ok(why.occurrences !== 'not kept')
    const [at, ...more] = why.occurrences
    assert.deepEqual(more, [])
    assert.deepEqual([at?.topic, at?.key, at?.type], [`knative-broker-${s.ns}-b`, 'k', 'in'])
    assert.ok(at !== undefined && at.triggers !== 'not kept')
    assert.deepEqual(
      at.triggers.map(({ trigger, matches }) => [trigger, matches]),
      [
        [`${s.ns}/count`, true],
        [`${s.ns}/double`, true],
      ],
    )
    assert.deepEqual(why.replies.map(({ type }) => type).toSorted(), ['counted', 'doubled'])
    assert.deepEqual(why.deadLetters, [])
    // A reply is no `in`: both triggers say which clause failed.
    const reply = await fnJson<WhyReport>(s, 'why', why.replies[0]?.id ?? '', '--json')
    assert.ok(reply.occurrences !== 'not kept' && reply.occurrences[0]?.triggers !== 'not kept')
    assert.deepEqual(
      reply.occurrences[0]?.triggers.map(({ failed }) => failed[0]?.clause),
      ['exact.type', 'exact.type'],
    )
    assert.equal((await s.p.fn(['why', 'no such id', ...s.log])).code, 1)
    const readable = await s.p.fn(['why', 'good', ...s.log])
    assert.match(readable.stdout, new RegExp(`${s.ns}/double → double: finished`))
    assert.equal(await s.runtime.end('SIGTERM'), 0)
    const later = await s.p.fn(['why', 'good', ...s.log])
    assert.match(later.stdout, /attempts: not kept/)
  })
})

describe('operator commands on the embedded log', () => {
  it('let a trigger go on that has lost its position', async (t) => {
    const s = await started(t, { name: 'embedded', needed: { skip: false }, flags: () => [] })
    await s.send('first', { n: 1 }, 'k')
    await eventually(async () => (await s.replies('doubled')).length === 1, 'a reply')
    assert.equal(await s.runtime.end('SIGTERM'), 0)
    const topic = `knative-broker-${s.ns}-b`
    const group = `knative-trigger-${s.ns}-double`
    const open = (): ReturnType<typeof createEmbeddedBroker> =>
      createEmbeddedBroker({ dir: join(s.p.dir, '.millrace/data') })
    const broker = await open()
    await broker.commit(group, [{ topic, partition: 1, offset: 1_000 }])
    await broker.close()
    const name = `${s.ns}/double`
    const outside = await s.p.fn(['resume', name, '--from', '999'])
    assert.equal(outside.code, 64)
    assert.match(outside.stderr, /holds 0 to/)
    const resumed = await fnJson<{ committed: unknown }>(
      s,
      'resume',
      name,
      '--from',
      'earliest',
      '--json',
    )
    assert.deepEqual(resumed.committed, [{ topic, partition: 1, offset: 0 }])
    const after = await open()
    const [committed] = await after.committed(group, [{ topic, partition: 1 }])
    await after.close()
    assert.equal(committed?.offset, 0)
    const named = await s.p.fn(['resume', name, '--from', '0'])
    assert.equal(named.code, 64, 'an offset needs its partition')
    assert.equal((await s.p.fn(['resume', name, '--partition', '1'])).code, 64)
    assert.equal((await s.p.fn(['resume', name, '--from', 'latest', '--partition', '9'])).code, 1)
  })

  it('open an editor, and keep what does not pass', async (t) => {
    const s = await started(t, { name: 'embedded', needed: { skip: false }, flags: () => [] })
    await s.send('bad', { n: 'one' })
    await eventually(async () => (await s.letters()).length === 1, 'a dead letter')
    assert.equal(await s.runtime.end('SIGTERM'), 0)
    const [letter] = await s.letters()
    const ref = letter?.ref ?? ''
    const before = { VISUAL: process.env['VISUAL'], EDITOR: process.env['EDITOR'] }
    t.after(() => Object.assign(process.env, before))
    delete process.env['VISUAL']
    delete process.env['EDITOR']
    assert.equal((await s.p.fn(['dlq', 'edit', ref])).code, 64)
    process.env['EDITOR'] = 'true'
    const same = await s.p.fn(['dlq', 'edit', ref])
    assert.deepEqual([same.code, same.stdout.trim()], [0, ref])
    process.env['EDITOR'] = `sed -i 's/"one"/oops/'`
    const broken = await s.p.fn(['dlq', 'edit', ref])
    assert.equal(broken.code, 64)
    assert.match(broken.stderr, /kept in .*data\.json/)
    process.env['EDITOR'] = `sed -i 's/"one"/1/'`
    const [edited] = await s.p.json<{ ref: string; editedFrom: string }>(['dlq', 'edit', ref])
    assert.equal(edited?.editedFrom, ref)
    const [shown] = await s.p.json<{ event: { data: unknown } }>(['dlq', 'show', edited.ref])
    assert.deepEqual(shown?.event.data, { n: 1 })
  })
})
