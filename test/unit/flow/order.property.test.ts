import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { deadLetterTopic } from '../../../runtime/broker/names.ts'
import type { WorkItem, WorkResult } from '../../../runtime/contract/work.ts'
import { flowBench, TWICE, type FlowBench } from '../../support/flow-bench.ts'
import { into, sequence } from '../../support/sample-flow.ts'
import { again, done, failed, replyOf } from '../../support/scripted-runner.ts'

const KEYS = ['k', 'l'] as const
const STEPS = ['a', 'b', 'c'] as const
const FLOW = sequence(
  's',
  STEPS.map((subscriber) => ({ subscriber, delivery: TWICE })),
)

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('send' as const), key: fc.nat(1), more: fc.nat(2) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      at: fc.constantFrom(...STEPS),
      how: fc.constantFrom('reply', 'reply', 'mixed', 'end', 'fail', 'again'),
      frame: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('log' as const), up: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
)

/** As an isolate answers: a lane in its order, and what stands behind a failed event unrun. */
async function answer(b: FlowBench, at: string, how: string, size: number): Promise<void> {
  const { submitted } = b.runner(at)
  const broken = new Set<number>()
  const results: WorkResult[] = submitted.splice(0, size).map((item, index) => {
    if (broken.has(item.lane)) return again(item)
    if (how === 'fail' || how === 'again') {
      broken.add(item.lane)
      return how === 'fail' ? failed(item) : again(item)
    }
    // The type says from which event it came.
    const { id, type } = item.event.attributes
    const ends = how === 'end' || (how === 'mixed' && index % 2 === 1)
    return done(item, ends ? [] : [replyOf(type === 'in' ? id : type)])
  })
  const kept = submitted.splice(0)
  for (const item of kept) {
    if (broken.has(item.lane)) results.push(again(item))
    else submitted.push(item as WorkItem)
  }
  await b.answer(at, results)
}

it('keeps the order of a key through all steps, and loses nothing, whatever happens', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (script) => {
      t.mock.timers.reset()
      const b = await flowBench(t, into(FLOW), [FLOW])
      const sent: string[] = []
      for (const each of script) {
        if (each.do === 'send') {
          for (let n = 0; n <= each.more; n++) {
            const id = `${KEYS[each.key]}${sent.length}`
            sent.push(id)
            b.send(id, KEYS[each.key])
          }
          await b.turn()
        } else if (each.do === 'answer') await answer(b, each.at, each.how, each.frame + 1)
        else if (each.do === 'log') b.setLog(() => each.up)
        else {
          t.mock.timers.tick(10_000)
          await b.turn()
        }
        const unfinished = sent.length - b.settled.length
        const { waiting } = b.channel
        assert.ok(waiting >= 0 && waiting <= unfinished, `${waiting} of ${unfinished} wait`)
      }
      b.setLog(() => true)
      for (let round = 0; b.settled.length < sent.length && round < 500; round++) {
        for (const at of STEPS) await answer(b, at, 'reply', 500)
        t.mock.timers.tick(10_000)
        await b.turn()
      }
      assert.equal(b.channel.waiting, 0)
      const ended = b.settled.map((line) => line.split(':')[0] as string)
      const letters = deadLetterTopic(b.trigger.group)
      const replies = [
        ...new Set(
          b.log.filter(({ topic }) => topic !== letters).map(({ event }) => event.attributes.type),
        ),
      ]
      for (const key of KEYS) {
        const ofKey = (id: string): boolean => id.startsWith(key)
        assert.deepEqual(ended.filter(ofKey), sent.filter(ofKey))
        assert.deepEqual(
          replies.filter(ofKey),
          sent.filter((id) => replies.includes(id)).filter(ofKey),
        )
      }
    }),
    { numRuns: 150 },
  )
})
