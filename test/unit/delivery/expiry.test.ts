/** Events whose `expirytime` is past, on their way to a function. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { bench } from '../../support/delivery-bench.ts'
import { done, failed } from '../../support/scripted-runner.ts'

/** The benches' clock begins at 0. */
const PAST = { expirytime: '1970-01-01T00:00:00Z' }
const IN_ONE_SECOND = { expirytime: '1970-01-01T00:00:01Z' }

it('X6 an expired event ends as dropped and never reaches the function', async (t) => {
  const { delivery, runner, settled, lines, send, turn } = bench(t)
  send('late', 'k', 0, PAST)
  send('fresh', 'k', 0, IN_ONE_SECOND)
  await turn()
  assert.deepEqual(
    runner.submitted.map(({ event }) => event.attributes.id),
    ['fresh'],
  )
  assert.deepEqual(settled, ['late:dropped'])
  assert.deepEqual(lines, ['info event dropped'])
  delivery.take([done(runner.take('fresh'))])
  assert.deepEqual(settled, ['late:dropped', 'fresh:acked'])
  await delivery.idle()
})

it('X6 an event that expires while its retry waits is not tried again', async (t) => {
  const { delivery, runner, settled, send, turn } = bench(t)
  send('a', 'k', 0, IN_ONE_SECOND)
  await turn()
  delivery.take([failed(runner.take('a'))])
  t.mock.timers.tick(1_000)
  await turn()
  assert.equal(runner.has('a'), false)
  assert.deepEqual(settled, ['a:dropped'])
})

it('lanes whose events have all expired go on with what comes later', async (t) => {
  const { delivery, runner, settled, send, turn } = bench(t, { ordering: 'partition' })
  for (let i = 0; i < 1_000; i++) send(`late${i}`, undefined, 0, PAST)
  send('fresh')
  for (let i = 0; i < 4; i++) await turn()
  assert.equal(settled.length, 1_000)
  delivery.take([done(runner.take('fresh'))])
  assert.equal(settled.at(-1), 'fresh:acked')
})

it('an expired event that a person replays is handled', async (t) => {
  const { runner, retry, turn } = bench(t)
  retry().send('again', 'k', 'some.dlq/0/1', PAST)
  await turn()
  assert.ok(runner.has('again'))
})
