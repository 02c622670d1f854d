/** A key that waits at a step of a flow holds up no other key, however much stands behind it. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { eventually } from '../../support/eventually.ts'
import { logDir, RunningFlow } from '../../support/running-flow.ts'
import { into, sequence } from '../../support/sample-flow.ts'

const AN_HOUR = { ...DEFAULT_DELIVERY, backoffDelayMs: 3_600_000 }
const PASSES_ON = `export const handler = (event) => ({ type: 'x', data: event.data })`
const FAILS_FOR_BAD = `export const handler = (event) => {
  if (event.data.bad) throw new Error('no')
  return { type: 'out', data: event.data }
}`
/** More than a trigger may have read that could run. */
const MANY = 2_000

async function failsForAnHour(t: TestContext, keys: number): Promise<void> {
  const flow = sequence('s', [{ subscriber: 'one' }, { subscriber: 'two', delivery: AN_HOUR }])
  const running = await RunningFlow.open(t, await logDir(t), {
    topology: { triggers: [into(flow)], flows: [flow] },
    functions: { one: PASSES_ON, two: FAILS_FOR_BAD },
  })
  const bad = Array.from({ length: MANY }, (_, n) => ({
    id: `bad${n}`,
    key: `bad${n % keys}`,
    data: { bad: true },
  }))
  await running.send(bad)
  // Behind them, in both partitions.
  const others = Array.from({ length: 40 }, (_, n) => ({ id: `e${n}`, key: `k${n}` }))
  await running.send(others)
  const replies = await running.replies(others.length)
  assert.deepEqual(
    new Set(replies.map(({ attributes }) => attributes['correlationid'])),
    new Set(others.map(({ id }) => id)),
  )
  const inFlight = (): number =>
    running.pipeline.consumer.states().reduce((sum, state) => sum + state.inFlight, 0)
  await eventually(() => inFlight() === MANY, 'all is read, and only what fails is left')
}

test('other keys go on beside one of which 2,000 events wait at the second step', (t) =>
  failsForAnHour(t, 1))

test('other keys go on beside fifty of which 40 events each wait at the second step', (t) =>
  failsForAnHour(t, 50))
