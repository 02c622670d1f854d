import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Subscriber } from '../../runtime/contract/subscriber.ts'
import type { WorkItem, WorkResult } from '../../runtime/contract/work.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { createHttpSubscribers } from '../../runtime/subscriber/http/subscribers.ts'
import { Subscribers } from '../../runtime/subscribers.ts'
import { workItem } from '../support/http-subscriber.ts'
import { manifestOf } from '../support/isolate.ts'
import { LocalPool } from '../support/local-pool.ts'

const ONE: Subscriber = { kind: 'function', name: 'one' }
const BROKEN: Subscriber = { kind: 'function', name: 'broken' }

interface Bench {
  subscribers: Subscribers
  pool: LocalPool
  /** Lets the handler of the event that has waited longest return. */
  finish: () => void
  submit: (shared: Awaited<ReturnType<Subscribers['open']>>) => Promise<WorkResult>
}

function bench(t: TestContext): Bench {
  const running: Array<() => void> = []
  const pool = new LocalPool(() => new Promise((resolve) => running.push(() => resolve([]))))
  const http = createHttpSubscribers({ maxReplyBytes: 1_000 })
  t.after(() => http.close(0))
  const subscribers = new Subscribers({
    pool,
    http,
    functions: ['one', 'broken'].map((name) => ({
      manifest: manifestOf('n', name),
      bundle: { code: '', map: '' },
    })),
  })
  return {
    subscribers,
    pool,
    finish: () => running.shift()?.(),
    submit: (shared) =>
      new Promise((resolve) => {
        const item: WorkItem = workItem()
        shared.share(([result]) => resolve(result as WorkResult)).submit([item])
      }),
  }
}

describe('Subscribers', () => {
  it('shares one runner, and closes it with the last of its users', async (t) => {
    const { subscribers, pool } = bench(t)
    const [a, b] = await Promise.all([subscribers.open(ONE), subscribers.open({ ...ONE })])
    assert.deepEqual(pool.functions, ['one'])
    a.release()
    a.release()
    assert.deepEqual(pool.functions, ['one'], 'the other one is still there')
    b.release()
    assert.deepEqual(pool.functions, [])
    assert.equal(subscribers.size, 0)
  })

  it('lets what is in flight end before it closes', async (t) => {
    const { subscribers, pool, finish, submit } = bench(t)
    const one = await subscribers.open(ONE)
    const result = submit(one)
    one.release()
    assert.deepEqual(pool.functions, ['one'])
    finish()
    assert.equal((await result).status, 'done')
    assert.deepEqual(pool.functions, [])
  })

  it('goes on with a runner that was about to close, and opens another one after', async (t) => {
    const { subscribers, pool, finish, submit } = bench(t)
    const first = await subscribers.open(ONE)
    const results = [submit(first)]
    first.release()
    const second = await subscribers.open(ONE)
    results.push(submit(second))
    finish()
    await results[0]
    assert.deepEqual(pool.functions, ['one'], 'somebody uses it again')
    second.release()
    finish()
    await results[1]
    assert.deepEqual(pool.functions, [])
    const third = await subscribers.open(ONE)
    const last = submit(third)
    finish()
    assert.equal((await last).status, 'done')
  })

  it('tries what could not be opened again when it is told to, not before', async (t) => {
    const { subscribers, pool } = bench(t)
    const isInitError = (error: unknown): boolean => isMillraceError(error, 'FN_HANDLER_INIT')
    await assert.rejects(subscribers.open(BROKEN), isInitError)
    await assert.rejects(subscribers.open(BROKEN), isInitError)
    assert.equal(pool.opened, 1)
    subscribers.forgetFailed()
    assert.equal(subscribers.size, 0)
    await assert.rejects(subscribers.open(BROKEN), isInitError)
    assert.equal(pool.opened, 2)
  })

  it('forgets only what failed', async (t) => {
    const { subscribers, pool } = bench(t)
    const opening = subscribers.open(ONE)
    subscribers.forgetFailed()
    await opening
    subscribers.forgetFailed()
    await subscribers.open(ONE)
    assert.equal(pool.opened, 1)
  })
})
