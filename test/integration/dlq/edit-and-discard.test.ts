import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadLetterStateTopic, retryTopic } from '../../../runtime/broker/names.ts'
import type { DeadLetterState } from '../../../runtime/contract/dead-letter-state.ts'
import { discardLetters } from '../../../runtime/dlq/discard.ts'
import { editLetter, openLetter } from '../../../runtime/dlq/edit.ts'
import { replayLetters } from '../../../runtime/dlq/replay.ts'
import { recordAt } from '../../../runtime/dlq/scan.ts'
import { statesOf } from '../../../runtime/dlq/states.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import {
  deadLetterLog,
  headerOf,
  LETTERS,
  TRIGGER,
  type DeadLetterLog,
} from '../../support/dead-letters.ts'

const RETRY = retryTopic(TRIGGER.group)

async function stateOf(log: DeadLetterLog, ref: string): Promise<DeadLetterState | undefined> {
  return (await statesOf(log.reader, LETTERS)).of(ref)
}

describe('editing a dead letter', () => {
  it('puts a letter with the new data in its place', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a', key: 'k', data: '{"n": "one"}' })
    const to = await editLetter(log, await openLetter(log, ref), Buffer.from('{"n": 1}'))
    assert.notEqual(to, ref)
    const { record } = await recordAt(log.reader, to)
    assert.equal(record.value?.toString(), '{"n": 1}')
    assert.equal(record.key?.toString(), 'k')
    assert.equal(headerOf(record, 'millrace-edited'), ref)
    assert.equal(headerOf(record, 'millrace-trigger'), 'events/orders')
    const state = await stateOf(log, ref)
    assert.deepEqual([state?.state, state?.to], ['edited', to])
    assert.equal(await stateOf(log, to), undefined)
  })

  it('replays the new data, marked, and not the old', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a', data: '{"n": "one"}' })
    const to = await editLetter(log, await openLetter(log, ref), Buffer.from('{"n": 1}'))
    const { selected, replayed, skipped } = await replayLetters(log, {})
    assert.deepEqual([selected, replayed.map((one) => one.ref)], [2, [to]])
    assert.match(skipped[0]?.reason ?? '', /took its place/)
    const [sent, ...more] = await log.records(RETRY)
    assert.deepEqual(more, [])
    assert.equal(sent?.record.value?.toString(), '{"n": 1}')
    assert.equal(headerOf(sent.record, 'millrace-edited'), ref)
    assert.equal(headerOf(sent.record, 'millrace-replay-of'), to)
  })

  it('changes only a letter that is open, and only once', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a' })
    const [one, two] = [await openLetter(log, ref), await openLetter(log, ref)]
    await editLetter(log, one, Buffer.from('1'))
    const refused = (error: unknown): boolean => isMillraceError(error, 'FN_CLI_NOT_FOUND')
    await assert.rejects(editLetter(log, two, Buffer.from('2')), refused)
    await assert.rejects(openLetter(log, ref), refused)
    await assert.rejects(openLetter(log, `${LETTERS}/0/77`), refused)
    await assert.rejects(openLetter(log, 'no-such-topic.dlq/0/0'), refused)
    assert.equal((await log.records(LETTERS)).length, 2)
  })
})

describe('discarding dead letters', () => {
  it('keeps the reason, and replays them no more', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a' })
    await log.fail({ id: 'b', type: 'invoice' })
    const result = await discardLetters(log, { type: 'order' }, { reason: 'a test order' })
    assert.deepEqual([result.selected, result.discarded.map(({ id }) => id)], [1, ['a']])
    const state = await stateOf(log, ref)
    assert.deepEqual([state?.state, state?.reason], ['discarded', 'a test order'])
    const again = await discardLetters(log, { type: 'order' }, { reason: 'once more' })
    assert.deepEqual([again.selected, again.discarded.length, again.skipped.length], [1, 0, 1])
    const { replayed, skipped } = await replayLetters(log, {})
    assert.deepEqual(
      replayed.map(({ id }) => id),
      ['b'],
    )
    assert.match(skipped[0]?.reason ?? '', /a test order/)
  })

  it('frees what was parked behind one', async (t) => {
    const log = await deadLetterLog(t)
    const first = await log.fail({ id: 'first', key: 'k' })
    const parked = await log.fail({ id: 'parked', key: 'k', code: 'FN_DELIVERY_PARKED' })
    assert.equal((await replayLetters(log, { refs: [parked] })).replayed.length, 0)
    await discardLetters(log, { refs: [first] }, { reason: 'wrong' })
    assert.equal((await replayLetters(log, { refs: [parked] })).replayed.length, 1)
  })

  it('writes nothing in a dry run', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const { discarded } = await discardLetters(log, {}, { reason: 'x', dryRun: true })
    assert.equal(discarded.length, 1)
    assert.deepEqual(await log.records(deadLetterStateTopic(TRIGGER.group)), [])
  })
})
