import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadLetterStateTopic, retryTopic } from '../../../runtime/broker/names.ts'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import type { LogRecord } from '../../../runtime/contract/broker.ts'
import { replayLetters } from '../../../runtime/dlq/replay.ts'
import { isMillraceError, MillraceError } from '../../../runtime/errors.ts'
import {
  BROKER_PARTITIONS,
  deadLetterLog,
  headerOf,
  LETTERS,
  TRIGGER,
} from '../../support/dead-letters.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

const RETRY = retryTopic(TRIGGER.group)

function ids(records: Array<{ record: LogRecord }>): string[] {
  return records.map(({ record }) => decodeRecord(record).attributes.id)
}

describe('replaying dead letters', () => {
  it('appends the original events to the retry topic of their trigger', async (t) => {
    const log = await deadLetterLog(t)
    const ref = await log.fail({ id: 'a', key: 'k1', data: '{"amount": 1.0 }', partition: 2 })
    await log.fail({ id: 'other', trigger: sampleTrigger('other') })
    const result = await replayLetters(log, { refs: [ref] })
    assert.equal(result.selected, 1)
    assert.deepEqual(
      result.replayed.map((letter) => letter.id),
      ['a'],
    )
    const [info] = await log.reader.topics([RETRY])
    assert.equal(info?.partitions, BROKER_PARTITIONS)
    const [replayed, ...more] = await log.records(RETRY)
    assert.ok(replayed)
    assert.deepEqual(more, [])
    assert.equal(replayed.partition, 2)
    const [original] = (await log.records(TRIGGER.topic)).filter(({ partition }) => partition === 2)
    const { record } = replayed
    assert.deepEqual(record.key, original?.record.key)
    assert.deepEqual(record.value, original?.record.value)
    const added = record.headers.filter(([name]) => name.toString().startsWith('millrace-'))
    assert.deepEqual(
      record.headers
        .filter((header) => !added.includes(header))
        .map(String)
        .toSorted(),
      original?.record.headers.map(String).toSorted(),
    )
    assert.deepEqual(added.map(String), [
      `millrace-replay-of,${ref}`,
      `millrace-origin,${TRIGGER.topic}/2/0`,
    ])
    assert.equal(
      await log.reader
        .topics([retryTopic('knative-trigger-events-other')])
        .then((all) => all.length),
      0,
    )
  })

  it('sends nothing when the same selection is replayed again', async (t) => {
    const log = await deadLetterLog(t)
    for (let i = 0; i < 5; i++) await log.fail({ id: `e${i}` })
    await log.fail({ id: 'not meant', type: 'invoice' })
    const first = await replayLetters(log, { type: 'order' })
    assert.deepEqual([first.selected, first.replayed.length, first.skipped.length], [5, 5, 0])
    const second = await replayLetters(log, { type: 'order' })
    assert.deepEqual([second.selected, second.replayed.length, second.skipped.length], [5, 0, 5])
    assert.match(second.skipped[0]?.reason ?? '', /replayed already/)
    assert.equal((await log.records(RETRY)).length, 5)
    assert.equal((await log.records(deadLetterStateTopic(TRIGGER.group))).length, 5)
  })

  it('replays each letter once, however many operators try at once', async (t) => {
    const log = await deadLetterLog(t)
    for (let i = 0; i < 250; i++) await log.fail({ id: `e${i}` })
    const results = await Promise.all(Array.from({ length: 4 }, () => replayLetters(log, {})))
    const replayed = results.flatMap((one) => one.replayed.map(({ id }) => id))
    assert.equal(replayed.length, 250)
    const sent = ids(await log.records(RETRY))
    assert.equal(sent.length, 250)
    assert.equal(new Set(sent).size, 250)
  })

  it('gives up a fenced transaction and reads again', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    let fenced = 0
    const writer: typeof log.writer = {
      ...log.writer,
      transact: async (id, transaction) => {
        if (fenced++ === 0) throw new MillraceError('FN_BROKER_FENCED', 'another operator')
        return log.writer.transact(id, transaction)
      },
    }
    const { replayed } = await replayLetters({ reader: log.reader, writer }, {})
    assert.equal(replayed.length, 1)
    assert.equal((await log.records(RETRY)).length, 1)
  })

  it('passes other failures on and leaves the letters open', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const writer: typeof log.writer = {
      ...log.writer,
      transact: () => Promise.reject(new MillraceError('FN_BROKER_UNAVAILABLE', 'gone')),
    }
    await assert.rejects(replayLetters({ reader: log.reader, writer }, {}), (error) =>
      isMillraceError(error, 'FN_BROKER_UNAVAILABLE'),
    )
    assert.equal((await replayLetters(log, {})).replayed.length, 1)
  })

  it('keeps the order of a key, and the original place over a second failure', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'first', key: 'k' })
    await log.fail({ id: 'second', key: 'k', code: 'FN_DELIVERY_PARKED' })
    await log.fail({ id: 'third', key: 'k', code: 'FN_DELIVERY_PARKED' })
    const alone = await replayLetters(log, { code: 'FN_HANDLER_THREW' })
    assert.deepEqual(
      alone.replayed.map(({ id }) => id),
      ['first'],
    )
    const [retried] = await log.records(RETRY)
    assert.ok(retried)
    // Its new letter stands behind the others in the topic, but the event came before them.
    const again = await log.failAgain(RETRY, retried.partition, retried.record)
    const parked = await replayLetters(log, { code: 'FN_DELIVERY_PARKED' })
    assert.deepEqual([parked.selected, parked.replayed.length], [2, 0])
    assert.ok(
      parked.skipped.every(({ reason }) => reason.includes(again)),
      parked.skipped[0]?.reason,
    )
    const all = await replayLetters(log, {})
    assert.deepEqual(
      all.replayed.map(({ id }) => id),
      ['first', 'second', 'third'],
    )
    const sent = await log.records(RETRY)
    assert.deepEqual(ids(sent), ['first', 'first', 'second', 'third'])
    assert.deepEqual(
      sent.map(({ record }) => headerOf(record, 'millrace-origin')),
      [0, 0, 1, 2].map((offset) => `${TRIGGER.topic}/0/${offset}`),
    )
  })

  it('holds no other key and no other trigger behind an open letter', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'open', key: 'k' })
    await log.fail({ id: 'other key', key: 'l', code: 'FN_DELIVERY_PARKED' })
    const result = await replayLetters(log, { code: 'FN_DELIVERY_PARKED' })
    assert.deepEqual(
      result.replayed.map(({ id }) => id),
      ['other key'],
    )
  })

  it('does not hold a letter behind a later one of its key', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'parked', key: 'k', code: 'FN_DELIVERY_PARKED' })
    await log.fail({ id: 'later', key: 'k' })
    const result = await replayLetters(log, { code: 'FN_DELIVERY_PARKED' })
    assert.equal(result.replayed.length, 1)
  })

  it('selects by function, type, code, time, key, error and limit', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a', key: 'k', message: 'out of stock' })
    await log.fail({ id: 'b', type: 'invoice' })
    await log.fail({ id: 'c', code: 'FN_HANDLER_TIMEOUT' })
    const selected = async (selection: Parameters<typeof replayLetters>[1]): Promise<string[]> => {
      const { replayed } = await replayLetters(log, selection, { dryRun: true })
      return replayed.map(({ id }) => id).toSorted()
    }
    assert.deepEqual(await selected({ function: 'orders' }), ['a', 'b', 'c'])
    assert.deepEqual(await selected({ function: 'none' }), [])
    assert.deepEqual(await selected({ type: 'invoice' }), ['b'])
    assert.deepEqual(await selected({ code: 'FN_HANDLER_TIMEOUT' }), ['c'])
    assert.deepEqual(await selected({ key: 'k' }), ['a'])
    assert.deepEqual(await selected({ error: 'of stock' }), ['a'])
    assert.deepEqual(await selected({ error: 'TypeErr' }), ['a', 'b', 'c'])
    assert.deepEqual(await selected({ sinceMs: Date.now() + 60_000 }), [])
    assert.deepEqual(await selected({ sinceMs: Date.now() - 60_000 }), ['a', 'b', 'c'])
    assert.equal((await selected({ limit: 2 })).length, 2)
    assert.deepEqual(await log.records(RETRY), [], 'a dry run writes nothing')
    // A limit counts open letters: the same command again does the next ones.
    assert.equal((await replayLetters(log, { limit: 2 })).replayed.length, 2)
    assert.equal((await replayLetters(log, { limit: 2 })).replayed.length, 1)
  })

  it('leaves alone what does not say which trigger failed, and a ref that is not there', async (t) => {
    const log = await deadLetterLog(t)
    await log.fail({ id: 'a' })
    const [letter] = await log.records(LETTERS)
    assert.ok(letter)
    const headers = letter.record.headers.filter(([name]) => name.toString() !== 'millrace-trigger')
    await log.broker.append([{ ...letter.record, topic: LETTERS, headers, partitionBy: 0 }])
    await log.broker.append([
      { topic: LETTERS, key: null, value: 'no event', headers: [], partitionBy: 0 },
    ])
    const result = await replayLetters(log, {})
    assert.deepEqual([result.selected, result.replayed.length], [2, 1])
    assert.match(result.skipped[0]?.reason ?? '', /which trigger/)
    await assert.rejects(replayLetters(log, { refs: [`${LETTERS}/0/99`] }), (error) =>
      isMillraceError(error, 'FN_CLI_NOT_FOUND'),
    )
    await assert.rejects(replayLetters(log, { refs: ['nonsense'] }), (error) =>
      isMillraceError(error, 'FN_CLI_USAGE'),
    )
  })

  it('goes no faster than it is told', async (t) => {
    const log = await deadLetterLog(t)
    for (let i = 0; i < 5; i++) await log.fail({ id: `e${i}` })
    const startedAt = performance.now()
    await replayLetters(log, {}, { perSecond: 10 })
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs >= 490, `${tookMs} ms for 5 at 10 a second`)
  })
})
