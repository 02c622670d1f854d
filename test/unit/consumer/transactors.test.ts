import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Transactors, type SharedTransactor } from '../../../runtime/consumer/transactors.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { ScriptedTransactor } from '../../support/scripted-transactor.ts'
import { quiet } from '../../support/test-cursor.ts'

const EMPTY = { records: [] }

interface Bench {
  transactors: Transactors
  /** `open ID`, `close ID` and `check ID`, in order. */
  events: string[]
  /** The latest that was opened of this id. */
  opened: (id: string) => ScriptedTransactor
  /** Opens one that keeps its place only for transactions. */
  settled: (id: string) => Promise<SharedTransactor>
  openNow: () => number
  most: () => number
  refuseOpening: (error: Error | undefined) => void
  refuseCheck: (error: Error | undefined) => void
}

function bench(max: number): Bench {
  const events: string[] = []
  const byId = new Map<string, ScriptedTransactor>()
  let [openNow, most] = [0, 0]
  let refusal: Error | undefined
  let moved: Error | undefined
  const transactors = new Transactors({
    max,
    open: async ({ id }) => {
      await quiet()
      if (refusal !== undefined) throw refusal
      events.push(`open ${id}`)
      most = Math.max(most, ++openNow)
      const transactor = new ScriptedTransactor(id)
      const close = transactor.close.bind(transactor)
      transactor.close = async () => {
        await quiet()
        events.push(`close ${id}`)
        openNow--
        await close()
      }
      byId.set(id, transactor)
      return transactor
    },
  })
  const check = (id: string) => async (): Promise<void> => {
    events.push(`check ${id}`)
    if (moved !== undefined) throw moved
  }
  return {
    transactors,
    events,
    opened: (id) => byId.get(id) as ScriptedTransactor,
    settled: async (id) => {
      const one = await transactors.open(id, check(id))
      one.settle()
      return one
    },
    openNow: () => openNow,
    most: () => most,
    refuseOpening: (error) => {
      refusal = error
    },
    refuseCheck: (error) => {
      moved = error
    },
  }
}

async function committed(b: Bench, one: SharedTransactor): Promise<void> {
  const done = one.transact(EMPTY)
  await quiet()
  await quiet()
  await quiet()
  b.opened(one.id).commit()
  await done
}

describe('Transactors', () => {
  it('closes the one that is idle for longest when there is no place', async () => {
    const b = bench(2)
    const [first] = [await b.settled('a'), await b.settled('b')]
    await committed(b, first) // so `b` is idle for longer now
    await b.settled('c')
    assert.deepEqual(b.events, ['open a', 'open b', 'close b', 'open c'])
  })

  it('opens again for the next transaction, and looks before it writes', async () => {
    const b = bench(1)
    const a = await b.settled('a')
    await b.settled('b')
    await committed(b, a)
    assert.deepEqual(b.events, ['open a', 'close a', 'open b', 'close b', 'open a', 'check a'])
    assert.equal(b.opened('a').transactions.length, 1)
    await committed(b, a)
    assert.equal(b.events.length, 6) // it is still open
  })

  it('fails for good when somebody else was the owner meanwhile', async () => {
    const b = bench(1)
    const a = await b.settled('a')
    const other = await b.settled('b')
    b.refuseCheck(new MillraceError('FN_BROKER_FENCED', 'moved'))
    await assert.rejects(a.transact(EMPTY), /moved/)
    b.refuseCheck(undefined)
    await assert.rejects(a.transact(EMPTY), /moved/)
    assert.equal(b.opened('a').transactions.length, 0)
    assert.equal(b.openNow(), 0)
    await committed(b, other) // its place is free again
    await a.close()
  })

  it('is usable after a conflict, and not after any other failure', async () => {
    const b = bench(1)
    const a = await b.settled('a')
    for (const code of ['FN_BROKER_CONFLICT', 'FN_BROKER_TRANSACTION_FAILED'] as const) {
      const failing = assert.rejects(a.transact(EMPTY), new RegExp(code))
      await quiet()
      b.opened('a').fail(new MillraceError(code, code))
      await failing
    }
    await assert.rejects(a.transact(EMPTY), /FN_BROKER_TRANSACTION_FAILED/)
    assert.equal(b.opened('a').transactions.length, 2)
  })

  it('keeps the place of one that is used or not settled yet', async () => {
    const b = bench(2)
    const a = await b.settled('a')
    const taking = await b.transactors.open('b', async () => {})
    const running = a.transact(EMPTY)
    const third = b.settled('c')
    await quiet()
    await quiet()
    assert.deepEqual(b.events, ['open a', 'open b'])
    taking.settle()
    await third
    assert.deepEqual(b.events, ['open a', 'open b', 'close b', 'open c'])
    b.opened('a').commit()
    await running
  })

  it('serves who waits in turn, never more than there are places', async () => {
    const b = bench(2)
    const ids = ['a', 'b', 'c', 'd', 'e', 'f']
    const all = await Promise.all(ids.map((id) => b.settled(id)))
    const done = Promise.all(
      all.map(async (one) => {
        for (let i = 0; i < 3; i++) await one.transact(EMPTY)
      }),
    )
    let isDone = false
    void done.then(() => (isDone = true))
    while (!isDone) {
      await quiet()
      for (const id of ids) {
        try {
          b.opened(id).commit()
        } catch {
          // It has none under way.
        }
      }
    }
    assert.equal(b.most(), 2)
    await Promise.all(all.map((one) => one.close()))
    assert.equal(b.openNow(), 0)
  })

  it('gives the place back of one that cannot be opened', async () => {
    const b = bench(1)
    b.refuseOpening(new Error('no answer'))
    await assert.rejects(b.settled('a'), /no answer/)
    b.refuseOpening(undefined)
    const one = await b.settled('b')
    const other = await b.settled('c')
    b.refuseOpening(new Error('no answer'))
    await assert.rejects(one.transact(EMPTY), /no answer/)
    b.refuseOpening(undefined)
    await committed(b, other)
  })

  it('ends the wait for a place of one that is closed', async () => {
    const b = bench(1)
    const a = await b.settled('a')
    const other = await b.settled('b')
    const running = other.transact(EMPTY)
    const waiting = assert.rejects(a.transact(EMPTY), /The transactor a was closed/)
    await quiet()
    await a.close()
    await waiting
    b.opened('b').commit()
    await running
    await b.settled('c')
    assert.equal(b.most(), 1)
  })

  it('closes one that is idle for five minutes, and counts from its last transaction', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const b = bench(3)
    const a = await b.settled('a')
    t.mock.timers.tick(200_000)
    await committed(b, a)
    t.mock.timers.tick(299_999)
    await quiet()
    await quiet()
    assert.deepEqual(b.events, ['open a'])
    t.mock.timers.tick(1)
    await quiet()
    await quiet()
    assert.deepEqual(b.events, ['open a', 'close a'])
    await committed(b, a)
    assert.deepEqual(b.events.slice(2), ['open a', 'check a'])
    t.mock.timers.tick(300_000)
    await committed(b, a) // while it is being closed
    assert.deepEqual(b.events.slice(4), ['close a', 'open a', 'check a'])
    await a.close()
    t.mock.timers.tick(600_000)
    await quiet()
    await quiet()
    assert.equal(b.openNow(), 0)
  })
})
