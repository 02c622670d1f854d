/** One bad event among good ones (case 40), and whom a loss is blamed on. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { WorkItem } from '../../runtime/contract/work.ts'
import { AttackRig, itemOf } from '../support/isolate.ts'

let rig: AttackRig
before(async () => {
  rig = await AttackRig.open('cpu')
})
after(() => rig.close())

const LANES = 10

/** 100 events in 10 lanes, the 37th of them poison. */
function batchWith(poison: string): WorkItem[] {
  return Array.from({ length: 100 }, (_, n) =>
    itemOf(n === 37 ? poison : 'reply', { lane: 1_000 + (n % LANES) }),
  )
}

for (const poison of ['sync-loop', 'native-index-of', 'loop-after-timer']) {
  test(`${poison} among 100 events: 99 are done exactly once, one fails`, async () => {
    const items = batchWith(poison)
    const all = await rig.attacked.settleAll(items)
    let done = 0
    let failed = 0
    for (const results of all.values()) {
      const last = results.at(-1)
      assert.deepEqual(
        results.slice(0, -1).filter(({ status }) => status !== 'again'),
        [],
      )
      if (last?.status === 'done') done++
      if (last?.status === 'failed') failed++
    }
    assert.deepEqual({ done, failed }, { done: 99, failed: 1 })
    assert.equal(all.get(items[37]?.id ?? 0)?.at(-1)?.status, 'failed')
    await rig.calm()
  })
}

test('what stands behind a failed event in its lane comes back, what stands in other lanes is done', async () => {
  const items = batchWith('prepare-stack-trace-loop')
  const results = await rig.attacked.run(items)
  results.forEach((result, n) => {
    const expected = n === 37 ? 'failed' : n > 37 && n % LANES === 7 ? 'again' : 'done'
    assert.equal(result.status, expected, `event ${n}`)
  })
})

test('an event alone in its own process is to blame for whatever happens there', async () => {
  const result = await rig.attacked.one(itemOf('native-index-of', { alone: true }))
  assert.equal(result.status === 'failed' && result.fault.code, 'FN_HANDLER_CPU')
  await rig.calm()
})
