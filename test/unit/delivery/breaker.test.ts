import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DEFAULT_DELIVERY, type DeliveryPolicy } from '../../../runtime/contract/manifest.ts'
import { bench, type Bench } from '../../support/delivery-bench.ts'
import { again, done, failed } from '../../support/scripted-runner.ts'

const PAUSE_MS = 30_000

/** Three failures in a row open it; a retry comes after 1 s. */
function benchOf(t: TestContext, policy: Partial<DeliveryPolicy> = {}): Bench {
  const breaker = { failures: 3, pauseMs: PAUSE_MS }
  const delivery = { ...DEFAULT_DELIVERY, backoffPolicy: 'linear', breaker, ...policy } as const
  return bench(t, { delivery })
}

/** Sends events of their own lanes and lets all of them fail. */
async function fail(b: Bench, ids: readonly string[]): Promise<void> {
  for (const id of ids) b.send(id)
  await b.turn()
  b.delivery.take(ids.map((id) => failed(b.runner.take(id))))
  await b.turn()
}

async function opened(t: TestContext, policy: Partial<DeliveryPolicy> = {}): Promise<Bench> {
  const b = benchOf(t, policy)
  await fail(b, ['f1', 'f2', 'f3'])
  return b
}

async function later(t: TestContext, b: Bench, ms: number): Promise<void> {
  t.mock.timers.tick(ms)
  await b.turn()
}

function handedOut(b: Bench): string[] {
  return b.runner.submitted.map((item) => item.event.attributes.id)
}

async function gauge(b: Bench): Promise<string | undefined> {
  const text = await b.metrics.render()
  return /^millrace_breaker_open\{trigger="events\/orders"\} (.*)$/m.exec(text)?.[1]
}

describe('Breaker', () => {
  it('hands out nothing once so many attempts in a row have failed', async (t) => {
    const b = await opened(t)
    b.send('a')
    b.other.send('b')
    await later(t, b, PAUSE_MS - 1)
    assert.deepEqual(handedOut(b), [])
    assert.deepEqual(b.settled, [])
  })

  it('hands out as before until then', async (t) => {
    const b = benchOf(t)
    await fail(b, ['f1', 'f2'])
    b.send('a')
    await b.turn()
    assert.deepEqual(handedOut(b), ['a'])
  })

  it('counts failures in a row only', async (t) => {
    const b = benchOf(t)
    for (let i = 0; i < 5; i++) {
      await fail(b, [`f${i}1`, `f${i}2`])
      b.send(`a${i}`)
      await b.turn()
      b.delivery.take([done(b.runner.take(`a${i}`))])
    }
    assert.equal(await gauge(b), '0')
  })

  it('does not count failures that say nothing of the function', async (t) => {
    const b = benchOf(t, { retryOn: ['Unavailable'] })
    for (let i = 0; i < 3; i++) {
      for (const id of ['a', 'b', 'c', 'd']) b.send(`${id}${i}`)
      await b.turn()
      b.delivery.take([
        failed(b.runner.take(`a${i}`), { code: 'FN_DATA_INVALID', class: 'InvalidData' }),
        failed(b.runner.take(`b${i}`), { code: 'FN_HANDLER_DEAD_LETTER', class: 'DeadLetter' }),
        failed(b.runner.take(`c${i}`), { class: 'TypeError' }),
        again(b.runner.take(`d${i}`), true),
      ])
    }
    assert.equal(await gauge(b), '0')
  })

  it('tries one event after the pause, and goes on when that works', async (t) => {
    const b = await opened(t)
    for (const id of ['a', 'b', 'c']) b.send(id, 'k')
    await later(t, b, PAUSE_MS)
    // The retries of the three that failed stand in line too, behind what came before they were due.
    assert.deepEqual(handedOut(b), ['a'])
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), ['a'])
    b.delivery.take([done(b.runner.take('a'))])
    await b.turn()
    assert.deepEqual(handedOut(b), ['f1', 'f2', 'f3', 'b', 'c'])
  })

  it('waits anew when the one event fails, and then tries another one', async (t) => {
    const b = await opened(t)
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), ['f1'])
    b.delivery.take([failed(b.runner.take('f1'))])
    await later(t, b, PAUSE_MS - 1)
    assert.deepEqual(handedOut(b), [])
    await later(t, b, 1)
    assert.deepEqual(handedOut(b), ['f2'])
  })

  it('opens again only after as many failures as the first time', async (t) => {
    const b = await opened(t)
    await later(t, b, PAUSE_MS)
    b.delivery.take([done(b.runner.take('f1'))])
    await b.turn()
    b.delivery.take([failed(b.runner.take('f2')), failed(b.runner.take('f3'))])
    b.send('a')
    await b.turn()
    assert.deepEqual(handedOut(b), ['a'])
    b.delivery.take([failed(b.runner.take('a'))])
    await later(t, b, PAUSE_MS - 1)
    assert.deepEqual(handedOut(b), [])
  })

  it('counts no attempt for the time that it is open', async (t) => {
    const b = await opened(t, { retry: 1 })
    await later(t, b, PAUSE_MS)
    b.delivery.take([failed(b.runner.take('f1'))])
    await later(t, b, PAUSE_MS)
    const probe = b.runner.take('f2')
    assert.equal(probe.attempt, 2)
    b.delivery.take([done(probe)])
    await b.turn()
    assert.equal(b.runner.take('f3').attempt, 2)
    assert.deepEqual(
      b.letters.map((letter) => letter.event.attributes.id),
      ['f1'],
    )
  })

  it('tries the next event when the one says nothing of the function', async (t) => {
    const b = await opened(t)
    await later(t, b, PAUSE_MS)
    b.delivery.take([failed(b.runner.take('f1'), { code: 'FN_DATA_INVALID' })])
    await b.turn()
    assert.deepEqual(handedOut(b), ['f2'])
    b.delivery.take([again(b.runner.take('f2'))])
    await b.turn()
    assert.deepEqual(handedOut(b), ['f3'])
  })

  it('tries the first event that comes when none waits', async (t) => {
    const b = await opened(t, { retry: 0 })
    for (const { answer } of b.appends) await answer()
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), [])
    for (const id of ['a', 'b']) b.send(id)
    await b.turn()
    assert.deepEqual(handedOut(b), ['a'])
  })

  it('does not take a late result for that of the one event', async (t) => {
    const b = benchOf(t)
    for (const id of ['late1', 'late2', 'late3']) b.send(id)
    await fail(b, ['f1', 'f2', 'f3'])
    b.delivery.take([done(b.runner.take('late1'))])
    await b.turn()
    assert.equal(await gauge(b), '1')
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), ['late2', 'late3', 'f1'])
    b.delivery.take([done(b.runner.take('late2')), failed(b.runner.take('late3'))])
    await b.turn()
    assert.deepEqual(handedOut(b), ['f1'])
    b.delivery.take([done(b.runner.take('f1'))])
    assert.equal(await gauge(b), '0')
  })

  it('goes on with another event when the partition of the one is given up', async (t) => {
    const b = benchOf(t)
    b.other.send('o')
    await fail(b, ['f1', 'f2', 'f3'])
    b.delivery.take([again(b.runner.take('o'))])
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), ['o'])
    b.other.channel.close()
    b.delivery.take([again(b.runner.take('o'))])
    await b.turn()
    assert.deepEqual(handedOut(b), ['f1'])
  })

  it('skips events of a partition that was given up while it was open', async (t) => {
    const b = await opened(t)
    b.send('a')
    b.other.send('o')
    b.channel.close()
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), ['o'])
  })

  it('lets the delivery stop and go on while it is open', async (t) => {
    const b = await opened(t)
    b.send('a')
    b.delivery.pause()
    await b.delivery.idle()
    await later(t, b, PAUSE_MS)
    assert.deepEqual(handedOut(b), [])
    b.delivery.resume()
    await b.turn()
    assert.deepEqual(handedOut(b), ['a'])
  })

  it('shows its state in a gauge and in the log', async (t) => {
    const b = benchOf(t)
    assert.equal(await gauge(b), '0')
    await fail(b, ['f1', 'f2', 'f3'])
    assert.equal(await gauge(b), '1')
    await later(t, b, PAUSE_MS)
    assert.equal(await gauge(b), '1')
    b.delivery.take([failed(b.runner.take('f1'))])
    await later(t, b, PAUSE_MS)
    b.delivery.take([done(b.runner.take('f2'))])
    assert.equal(await gauge(b), '0')
    assert.deepEqual(
      b.lines.filter((line) => line.includes('breaker')),
      [
        'warn the function only fails; breaker open, nothing is tried meanwhile',
        'warn the function still fails; breaker open again',
        'info the function works again; breaker closed',
      ],
    )
  })

  it('has no gauge where there is none', async (t) => {
    assert.equal(await gauge(bench(t)), undefined)
  })
})
