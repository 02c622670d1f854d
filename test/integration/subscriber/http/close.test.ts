import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkResult } from '../../../../runtime/contract/work.ts'
import { openRunner, startSubscriber, workItem } from '../../../support/http-subscriber.ts'

function statuses(results: readonly WorkResult[]): string[] {
  return results.map(({ status }) => status)
}

test('what runs may end, and what has not started comes back', async (t) => {
  const asked = Promise.withResolvers<() => void>()
  const subscriber = await startSubscriber(t, (response) => {
    asked.resolve(() => response.end())
  })
  const { deliver, runner, subscribers } = openRunner(t, subscriber)
  const results = deliver(
    workItem({ concurrency: 1, lane: 1 }),
    workItem({ concurrency: 1, lane: 1 }),
    workItem({ concurrency: 1, lane: 2 }),
  )
  const answer = await asked.promise
  const closing = subscribers.close(10_000)
  assert.equal(runner.trouble(), 'closed')
  answer()
  await closing
  assert.deepEqual(statuses(await results), ['done', 'again', 'again'])
  assert.equal(subscriber.received.length, 1)
  assert.deepEqual(statuses(await deliver(workItem())), ['again'])
  await subscribers.close(0)
})

test('what runs longer than the grace is broken off and comes back', async (t) => {
  const asked = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const subscriber = await startSubscriber(t, (response) => {
    response.on('close', () => gone.resolve())
    asked.resolve()
  })
  const { results, deliver, runner, subscribers } = openRunner(t, subscriber)
  assert.equal(runner.trouble(), undefined)
  const delivered = deliver(workItem())
  await asked.promise
  await subscribers.close(20)
  assert.deepEqual(statuses(results), ['again'])
  assert.deepEqual(runner.inFlight(), { items: 0, bytes: 0 })
  await delivered
  await gone.promise
})

test('closing before anything was sent needs no grace', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.end())
  const { deliver, subscribers } = openRunner(t, subscriber)
  const results = deliver(workItem())
  await subscribers.close(60_000)
  assert.deepEqual(statuses(await results), ['again'])
  assert.equal(subscriber.received.length, 0)
})

test('an address that cannot be sent to is refused when it is opened', async (t) => {
  const { subscribers } = openRunner(t, { url: 'http://127.0.0.1:1/' })
  const open = (url: string, caCerts?: string) => (): unknown =>
    subscribers.open({ name: 'n', url, ...(caCerts === undefined ? {} : { caCerts }) }, () => {})
  assert.throws(open('http://user:password@127.0.0.1/'), { code: 'FN_CONFIG_INVALID' })
  assert.throws(open('ftp://127.0.0.1/'), { code: 'FN_CONFIG_INVALID' })
  assert.throws(open('https://127.0.0.1/', 'no certificate'), { code: 'FN_CONFIG_INVALID' })
})
