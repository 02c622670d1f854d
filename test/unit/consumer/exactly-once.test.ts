import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { ExactlyOnce } from '../../../runtime/consumer/exactly-once.ts'
import type { StartLog } from '../../../runtime/consumer/starting-points.ts'
import { Transactors } from '../../../runtime/consumer/transactors.ts'
import type { Broker, CommittedOffset, Membership } from '../../../runtime/contract/broker.ts'
import { recordTo, ScriptedTransactor } from '../../support/scripted-transactor.ts'
import { SILENT } from '../../support/silent-log.ts'
import { quiet, recordAt, take, testCursor, type TestCursor } from '../../support/test-cursor.ts'

const AT = { topic: 'orders', partition: 0 }
const GROUP = 'knative-trigger-events-a'

interface Bench {
  exactlyOnce: ExactlyOnce
  /** What happened, in order. */
  events: string[]
  /** All that were opened, in order. */
  opened: ScriptedTransactor[]
  /** The trigger's current cursor. */
  current: () => TestCursor
  transactors: Transactors
  /** What `committed` answers. */
  committed: { offset: number | undefined; metadata: string }
  /** Before something that is asked is answered. */
  before: Record<'open' | 'committed' | 'retries', () => Promise<void>>
  stop: AbortController
  tick: (ms: number) => Promise<void>
}

function bench(t: TestContext, max = 64): Bench {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const events: string[] = []
  const opened: ScriptedTransactor[] = []
  const committed: Bench['committed'] = { offset: 0, metadata: '' }
  const nothing = async (): Promise<void> => {}
  const before: Bench['before'] = { open: nothing, committed: nothing, retries: nothing }
  const stop = new AbortController()
  let current = cursorAt(0)
  const broker: Partial<Broker> = {
    transactor: async ({ id }) => {
      await before.open()
      events.push(`open ${id}`)
      const transactor = new ScriptedTransactor(id)
      opened.push(transactor)
      return transactor
    },
    committed: async (_group, partitions, { stable } = {}) => {
      await before.committed()
      events.push(`committed${stable ? ' stable' : ''}`)
      return partitions.map((at): CommittedOffset => ({ ...at, ...committed }))
    },
    hasMembers: async () => false,
  }
  const transactors = new Transactors({
    max,
    open: (options) => (broker as Broker).transactor(options),
  })
  const exactlyOnce = new ExactlyOnce({
    at: AT,
    broker: broker as Broker,
    transactors,
    transactionalId: 'id',
    cursors: () => [current.cursor],
    fence: () => ({ membership: {} as Membership, epochs: new Map() }),
    ensureTopics: async () => {},
    withdraw: () => {
      events.push('withdraw')
      current.cursor.close()
    },
    restart: async (log: StartLog) => {
      const [found] = await log.committed(GROUP, [AT])
      const offset = found?.offset ?? 0
      current = cursorAt(offset)
      events.push(`restart at ${offset}`)
      await before.retries()
      await log.committed(`${GROUP}.retry`, [AT])
      events.pop() // the second read tells nothing more
    },
    log: SILENT,
    stop: stop.signal,
  })
  const tick = async (ms: number): Promise<void> => {
    await quiet()
    t.mock.timers.tick(ms)
    await quiet()
  }
  return {
    exactlyOnce,
    events,
    opened,
    transactors,
    committed,
    before,
    stop,
    tick,
    current: () => current,
  }
}

function cursorAt(offset: number): TestCursor {
  return testCursor('a', { from: { offset, metadata: '' } })
}

/** Writes one record, which ends the given offset; gives what it ends in. */
async function write(b: Bench, offset: number, ends?: 'commit' | Error): Promise<string> {
  const one = b.current()
  take(one, recordAt(offset), `e${offset}`)
  const { cursor } = one
  const records = [recordTo('out', `r${offset}`)]
  const ended = [recordAt(offset)]
  const results = b.exactlyOnce.write({ cursor, records, ended, alone: false })
  await quiet()
  const transactor = b.opened.at(-1)
  if (ends === 'commit') transactor?.commit()
  else if (ends !== undefined) transactor?.fail(ends)
  const [result] = await results
  return result?.ok === false ? result.error.message : 'ok'
}

describe('ExactlyOnce', () => {
  it('opens its writer, then reads what is committed for good, then starts', async (t) => {
    const b = bench(t)
    b.committed.offset = 5
    assert.equal(b.exactlyOnce.startLog, undefined)
    await b.exactlyOnce.takeOver()
    assert.deepEqual(b.events, ['open id', 'committed stable', 'restart at 5'])
    assert.notEqual(b.exactlyOnce.startLog, undefined)
    assert.equal(await write(b, 5, 'commit'), 'ok')
    assert.equal(b.current().cursor.committed.offset, 6)
  })

  it('withdraws everything when a transaction fails, and begins anew after a pause', async (t) => {
    const b = bench(t)
    await b.exactlyOnce.takeOver()
    b.events.length = 0
    assert.equal(await write(b, 0, new Error('no')), 'no')
    assert.deepEqual(b.events, ['withdraw'])
    assert.match(b.exactlyOnce.trouble ?? '', /orders\/0: a transaction failed: no/)
    assert.equal(b.exactlyOnce.startLog, undefined)
    assert.equal(await write(b, 1), 'the partition is being taken over')
    await b.tick(100)
    assert.equal(b.opened[0]?.closes, 1)
    assert.deepEqual(b.events, ['withdraw', 'open id', 'committed stable', 'restart at 0'])
    assert.equal(b.exactlyOnce.trouble, undefined)
    assert.equal(await write(b, 0, 'commit'), 'ok')
  })

  it('tries again for as long as it takes, with longer pauses', async (t) => {
    const b = bench(t)
    await b.exactlyOnce.takeOver()
    let refusals = 0
    b.before.open = async () => {
      if (refusals++ < 2) throw new Error('no answer')
    }
    await write(b, 0, new Error('no'))
    for (const pauseMs of [100, 200]) {
      await b.tick(pauseMs)
      assert.equal(b.opened.length, 1)
      assert.notEqual(b.exactlyOnce.trouble, undefined)
    }
    await b.tick(399)
    assert.equal(b.opened.length, 1)
    await b.tick(1)
    assert.equal(b.opened.length, 2)
    assert.equal(b.exactlyOnce.trouble, undefined)
  })

  it('does not begin anew once the partition is given up', async (t) => {
    const b = bench(t)
    await b.exactlyOnce.takeOver()
    await write(b, 0, new Error('no'))
    b.stop.abort()
    await b.exactlyOnce.close()
    await b.tick(60_000)
    assert.equal(b.opened.length, 1)
    assert.equal(b.opened[0]?.closes, 1)
  })

  it('closes a writer that was opened for a partition that was given up meanwhile', async (t) => {
    const b = bench(t)
    const held = Promise.withResolvers<void>()
    b.before.open = () => held.promise
    const taking = b.exactlyOnce.takeOver()
    await quiet()
    b.stop.abort()
    await b.exactlyOnce.close()
    held.resolve()
    await taking
    assert.deepEqual(b.events, ['open id'])
    assert.equal(b.opened[0]?.closes, 1)
    assert.equal(b.exactlyOnce.startLog, undefined)
  })

  it('closes its writer when it is closed while places are being read', async (t) => {
    const b = bench(t)
    const held = Promise.withResolvers<void>()
    b.before.committed = () => held.promise
    const taking = b.exactlyOnce.takeOver()
    await quiet()
    b.stop.abort()
    await b.exactlyOnce.close()
    held.resolve()
    await taking.catch(() => {})
    assert.equal(b.opened[0]?.closes, 1)
  })

  it('starts nothing from places that were read before a failure', async (t) => {
    const b = bench(t)
    await b.exactlyOnce.takeOver()
    const { startLog } = b.exactlyOnce
    const held = Promise.withResolvers<void>()
    b.before.committed = () => held.promise
    const found = startLog?.committed(GROUP, [AT])
    await write(b, 0, new Error('no'))
    held.resolve()
    await assert.rejects(found ?? Promise.resolve(), /is being taken over/)
  })

  it('goes through one takeover at a time, though what it started fails before it has ended', async (t) => {
    const b = bench(t)
    const held = Promise.withResolvers<void>()
    b.before.retries = () => held.promise
    const taking = b.exactlyOnce.takeOver()
    await quiet()
    await write(b, 0, new Error('no')) // the first trigger is at work already
    b.before.retries = async () => {}
    await b.tick(100)
    assert.equal(b.opened.length, 2)
    const { startLog } = b.exactlyOnce
    assert.notEqual(startLog, undefined)
    held.resolve()
    await taking
    assert.equal(b.exactlyOnce.startLog, startLog)
    await b.tick(60_000)
    assert.equal(b.opened.length, 2)
    assert.equal(b.opened[1]?.closes, 0)
    assert.equal(await write(b, 0, 'commit'), 'ok')
  })

  it('goes on with a writer that was closed meanwhile, unless somebody else has committed', async (t) => {
    const b = bench(t, 1)
    await b.exactlyOnce.takeOver()
    assert.equal(await write(b, 0, 'commit'), 'ok')
    b.committed.offset = 1
    const closeIt = async (): Promise<void> => {
      const other = await b.transactors.open('other', async () => {})
      await other.close()
    }
    await closeIt()
    assert.equal(b.opened[0]?.closes, 1)
    b.events.length = 0
    assert.equal(await write(b, 1, 'commit'), 'ok')
    assert.deepEqual(b.events, ['open id', 'committed stable'])

    await closeIt()
    b.committed.offset = 9 // and not 2
    assert.match(await write(b, 2), /had another owner: .* stands at 9, and not at 2/)
    b.events.length = 0
    await b.tick(100)
    assert.deepEqual(b.events, ['open id', 'committed stable', 'restart at 9'])
    assert.equal(await write(b, 9, 'commit'), 'ok')
  })

  it('leaves the place of a trigger in trouble to whoever mends it', async (t) => {
    const b = bench(t, 1)
    await b.exactlyOnce.takeOver()
    await (await b.transactors.open('other', async () => {})).close()
    b.current().cursor.trouble = 'OffsetLost'
    b.committed.offset = 9
    assert.equal(await write(b, 0, 'commit'), 'ok')
  })

  it('takes a group for unmoved that nobody has committed for', async (t) => {
    const b = bench(t, 1)
    b.committed.offset = undefined
    await b.exactlyOnce.takeOver()
    await (await b.transactors.open('other', async () => {})).close()
    assert.equal(await write(b, 0, 'commit'), 'ok')
  })

  it('commits progress without output, of triggers that go on', async (t) => {
    const b = bench(t)
    await b.exactlyOnce.takeOver()
    const { cursor } = b.current()
    cursor.advance(3, 3)
    const still = cursorAt(0)
    const lost = cursorAt(0)
    lost.cursor.advance(3, 3)
    lost.cursor.trouble = 'OffsetLost'
    const done = b.exactlyOnce.commit([cursor, still.cursor, lost.cursor])
    await quiet()
    assert.deepEqual(b.opened[0]?.transactions[0]?.commits, [
      { group: GROUP, offsets: [{ ...AT, offset: 3, metadata: '' }] },
    ])
    b.opened[0]?.commit()
    await done
    assert.equal(cursor.committed.offset, 3)
  })
})
