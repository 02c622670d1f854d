import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { WorkItem } from '../../../runtime/contract/work.ts'
import { DEFAULT_DELIVERY } from '../../../runtime/contract/manifest.ts'
import { bench, type Bench } from '../../support/delivery-bench.ts'
import { again, done, failed, replyOf } from '../../support/scripted-runner.ts'

const KEYS = ['a', 'b'] as const

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), key: fc.nat(1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      how: fc.constantFrom('reply', 'reply', 'reply', 'done', 'fail', 'again'),
      frame: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('append' as const), ok: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
)

/** Results of a lane come in its order, and what stands behind a failed event comes back unrun. */
function answerFrame(b: Bench, how: 'done' | 'reply' | 'fail' | 'again', size: number): void {
  const items: WorkItem[] = b.runner.submitted.splice(0, size)
  const broken = new Set<number>()
  const results = items.map((item) => {
    if (broken.has(item.lane)) return again(item)
    if (how === 'fail' || how === 'again') {
      broken.add(item.lane)
      return how === 'fail' ? failed(item) : again(item)
    }
    return done(item, how === 'reply' ? [replyOf(item.event.attributes.id)] : [])
  })
  // A failed lane gives back all that it had.
  for (const lane of broken) {
    for (let at = 0; at < b.runner.submitted.length;) {
      const item = b.runner.submitted[at] as WorkItem
      if (item.lane === lane) results.push(again(b.runner.submitted.splice(at, 1)[0] as WorkItem))
      else at++
    }
  }
  b.delivery.take(results)
}

it('ends the events of a key in their order and once, whatever happens to them', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (script) => {
      t.mock.timers.reset()
      const b = bench(t, { delivery: { ...DEFAULT_DELIVERY, retry: 1, backoffDelayMs: 100 } })
      const sent: string[] = []
      const published = new Set<string>()
      let answered = 0
      const append = async (ok: boolean): Promise<void> => {
        const next = b.appends[answered]
        if (next === undefined) return
        answered++
        for (const { topic, value } of ok ? next.records : []) {
          if (topic === 'replies') published.add(String(value))
        }
        await next.answer(ok)
      }
      for (const each of script) {
        if (each.do === 'send') {
          const id = `${KEYS[each.key]}${sent.length}`
          sent.push(id)
          b.send(id, KEYS[each.key])
        } else if (each.do === 'answer') answerFrame(b, each.how as 'done', each.frame + 1)
        else if (each.do === 'append') await append(each.ok)
        else t.mock.timers.tick(10_000)
        await b.turn()
      }
      for (let turn = 0; b.settled.length < sent.length && turn < 1_000; turn++) {
        answerFrame(b, 'done', 500)
        await append(true)
        t.mock.timers.tick(10_000)
        await b.turn()
      }
      const ended = b.settled.map((line) => line.split(':')[0] as string)
      for (const key of KEYS) {
        const ofKey = (id: string): boolean => id.startsWith(key)
        assert.deepEqual(ended.filter(ofKey), sent.filter(ofKey))
        // In the order in which each came into the log first.
        const replied = [...published].filter(ofKey)
        assert.deepEqual(
          replied,
          sent.filter((id) => replied.includes(id)),
        )
      }
    }),
    { numRuns: 300 },
  )
})
