import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { KeptLetter, LetterFate, ParkingLot } from '../../../runtime/contract/parking.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { bench, type Bench } from '../../support/delivery-bench.ts'
import { done, failed, replyOf } from '../../support/scripted-runner.ts'

const POISON = { code: 'FN_HANDLER_DEAD_LETTER', class: 'DeadLetter', message: 'poison' } as const

class ScriptedLot implements ParkingLot {
  kept: KeptLetter[] = []
  readonly sent: string[][] = []
  readonly states = new Map<string, LetterFate>()

  async load(): Promise<KeptLetter[]> {
    return this.kept
  }

  async fates(refs: readonly string[]): Promise<LetterFate[]> {
    return refs.map((ref) => this.states.get(ref) ?? { fate: 'kept' })
  }

  async send(refs: readonly string[]): Promise<void> {
    this.sent.push([...refs])
    for (const ref of refs) this.states.set(ref, { fate: 'sent' })
  }
}

interface Parked extends Bench {
  lot: ScriptedLot
  /** The next append succeeds. */
  written: () => Promise<void>
  /** Time for a look at what operators did. */
  look: () => Promise<void>
}

function parked(t: TestContext): Parked {
  const lot = new ScriptedLot()
  const b = bench(t, { delivery: { ...DEFAULT_DELIVERY, retry: 0, onDeadLetter: 'park' } }, lot)
  let answered = 0
  return {
    ...b,
    lot,
    written: async () => {
      await b.appends[answered++]?.answer()
      await b.turn()
    },
    look: async () => {
      t.mock.timers.tick(1_000)
      await b.turn()
      await b.turn()
    },
  }
}

/** `a1` of key `a` is dead-lettered as `dlq/0/0`. */
async function withPoison(t: TestContext): Promise<Parked> {
  const p = parked(t)
  p.send('a1', 'a')
  await p.turn()
  p.delivery.take([failed(p.runner.take('a1'), POISON)])
  await p.written()
  assert.deepEqual(p.settled, ['a1:deadlettered'])
  return p
}

describe('parking', () => {
  it('sends later events of a dead-lettered key after it, in order, and no other key', async (t) => {
    const p = await withPoison(t)
    for (const id of ['a2', 'a3']) p.send(id, 'a')
    p.send('b1', 'b')
    await p.turn()
    assert.equal(p.runner.has('a2'), false)
    p.delivery.take([done(p.runner.take('b1'))])
    await p.written()
    await p.written()
    assert.deepEqual(
      p.letters.map(({ event, fault, attempts }) => [event.attributes.id, fault.class, attempts]),
      [
        ['a1', 'DeadLetter', 1],
        ['a2', 'Parked', 0],
        ['a3', 'Parked', 0],
      ],
    )
  })

  it('parks what stood behind the failed event in the same run', async (t) => {
    const p = parked(t)
    for (const id of ['a1', 'a2']) p.send(id, 'a')
    await p.turn()
    const [a1, a2] = [p.runner.take('a1'), p.runner.take('a2')]
    p.delivery.take([failed(a1, POISON), done(a2, [replyOf('r')])])
    await p.written()
    await p.written()
    assert.deepEqual(p.settled, ['a1:deadlettered', 'a2:deadlettered'])
    assert.equal(p.letters[1]?.fault.class, 'Parked')
  })

  it('drains in order once the failed event has come back and ended', async (t) => {
    const p = await withPoison(t)
    p.send('a2', 'a')
    await p.turn()
    await p.written()
    const retry = p.retry()
    retry.send('a1', 'a', 'dlq/0/0')
    await p.turn()
    p.delivery.take([done(p.runner.take('a1'))])
    await p.turn()
    assert.deepEqual(p.lot.sent, [['dlq/0/1']])
    // New events wait for what was sent back.
    p.send('a3', 'a')
    await p.turn()
    assert.equal(p.runner.has('a3'), false)
    retry.send('a2', 'a', 'dlq/0/1')
    await p.turn()
    assert.equal(p.runner.has('a3'), false)
    p.delivery.take([done(p.runner.take('a2'))])
    await p.turn()
    p.delivery.take([done(p.runner.take('a3'))])
    assert.deepEqual(p.settled.slice(2), ['a1:acked', 'a2:acked', 'a3:acked'])
  })

  it('goes on parking when the event that came back fails again', async (t) => {
    const p = await withPoison(t)
    p.retry().send('a1', 'a', 'dlq/0/0')
    p.send('a2', 'a')
    await p.turn()
    p.delivery.take([failed(p.runner.take('a1'), POISON)])
    await p.written()
    await p.written()
    assert.deepEqual(p.settled.slice(1), ['a1:deadlettered', 'a2:deadlettered'])
    assert.deepEqual(p.lot.sent, [])
  })

  it('sends parked events back once an operator has discarded the failed one', async (t) => {
    const p = await withPoison(t)
    p.send('a2', 'a')
    await p.turn()
    await p.written()
    p.lot.states.set('dlq/0/0', { fate: 'gone' })
    await p.look()
    assert.deepEqual(p.lot.sent, [['dlq/0/1']])
  })

  it('follows a letter that was edited to the one that took its place', async (t) => {
    const p = await withPoison(t)
    p.lot.states.set('dlq/0/0', { fate: 'replaced', by: 'dlq/0/9' })
    await p.look()
    p.send('a2', 'a')
    await p.turn()
    await p.written()
    assert.equal(p.settled[1], 'a2:deadlettered')
    p.retry().send('a1', 'a', 'dlq/0/9')
    await p.turn()
    p.delivery.take([done(p.runner.take('a1'))])
    await p.turn()
    assert.equal(p.lot.sent.length, 1)
  })

  it('knows after a restart which keys are parked, and drains what was left half way', async (t) => {
    const p = parked(t)
    p.lot.kept = [
      { ref: 'dlq/0/0', key: Buffer.from('a'), state: 'failed' },
      { ref: 'dlq/0/1', key: Buffer.from('b'), state: 'parked' },
      { ref: 'dlq/0/2', key: Buffer.from('c'), state: 'sent' },
    ]
    await p.channel.restore()
    await p.turn()
    assert.deepEqual(p.lot.sent, [['dlq/0/1']])
    for (const key of ['a', 'b', 'c', 'd']) p.send(`${key}1`, key)
    await p.turn()
    await p.written()
    assert.deepEqual(p.settled, ['a1:deadlettered'])
    assert.deepEqual(
      p.runner.submitted.map((item) => item.event.attributes.id),
      ['d1'],
    )
  })
})
