import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendRecord } from '../../../runtime/contract/broker.ts'
import { AppendQueue } from '../../../runtime/ingress/append-queue.ts'
import { HeldLog, until } from '../../support/held-log.ts'

function record(name: string): AppendRecord {
  return { topic: name, key: null, value: null, headers: [], partitionBy: '' }
}

function start(): { log: HeldLog; queue: AppendQueue; settled: string[]; failures: number[] } {
  const log = new HeldLog()
  const settled: string[] = []
  const failures: number[] = []
  const queue = new AppendQueue({
    append: (records) => log.append(records),
    onAppend: () => undefined,
    onFailed: (_error, entries) => failures.push(entries),
  })
  return { log, queue, settled, failures }
}

const topicsOf = (records: AppendRecord[] | undefined): string[] =>
  (records ?? []).map(({ topic }) => topic)

test('one append is in flight, and what comes meanwhile is the next one, in order', async () => {
  const { log, queue, settled } = start()
  for (const name of ['a', 'b', 'c', 'd']) {
    queue.push([record(name)], 1, () => settled.push(name))
  }
  assert.deepEqual(log.appends.map(topicsOf), [['a']])
  assert.deepEqual(settled, [])
  log.end()
  await until(() => log.appends.length === 2, 'the next append begins')
  assert.deepEqual(settled, ['a'])
  assert.deepEqual(topicsOf(log.appends[1]), ['b', 'c', 'd'])
  log.end()
  await until(() => settled.length === 4, 'all are settled')
  assert.deepEqual(settled, ['a', 'b', 'c', 'd'])
  queue.push([record('e')], 1, () => undefined)
  assert.equal(log.appends.length, 3)
})

test('an append holds at most 2,000 records and 4 MiB, and an entry is never split', async () => {
  const { log, queue, settled } = start()
  const many = (count: number): AppendRecord[] => Array.from({ length: count }, () => record('r'))
  const push = (records: AppendRecord[], bytes: number): void => {
    queue.push(records, bytes, () => settled.push('x'))
  }
  push([record('first')], 1)
  push(many(1_500), 1)
  push(many(501), 1)
  push(many(1), 4 * 1024 * 1024 - 1)
  push(many(1), 5 * 1024 * 1024)
  push(many(3_000), 1)
  for (let done = 1; done <= 5; done++) {
    log.end()
    await until(() => settled.length >= done && log.appends.length > done - 1, 'the next append')
    if (done < 5) await until(() => log.appends.length === done + 1, 'the next append')
  }
  assert.deepEqual(
    log.appends.map((records) => records.length),
    [1, 1_500, 502, 1, 3_000],
  )
})

test('an entry fails when one of its records does, and its neighbours do not', async () => {
  const { log, queue, failures } = start()
  const results = new Map<string, Error | undefined>()
  queue.push([record('first')], 1, () => undefined)
  for (const name of ['a', 'b', 'c']) {
    queue.push([record(name), record(`${name}2`)], 1, (error) => results.set(name, error))
  }
  log.end()
  await until(() => log.appends.length === 2, 'the next append begins')
  const broken = new Error('no')
  log.end(({ topic }) => (topic === 'b2' ? broken : undefined))
  await until(() => results.size === 3, 'all are settled')
  assert.deepEqual(Object.fromEntries(results), { a: undefined, b: broken, c: undefined })
  assert.deepEqual(failures, [1])
})

test('an append that rejects or forgets a record fails its entries, and the queue goes on', async () => {
  const answers = [Promise.reject(new Error('broke')), Promise.resolve([])]
  const errors: Array<Error | undefined> = []
  const queue = new AppendQueue({
    append: () =>
      answers.shift() ?? Promise.resolve([{ ok: true, topic: '', partition: 0, offset: 0 }]),
    onAppend: () => undefined,
    onFailed: () => undefined,
  })
  for (let i = 1; i <= 3; i++) {
    queue.push([record('a')], 1, (error) => errors.push(error))
    await until(() => errors.length === i, 'it is settled')
  }
  assert.ok(errors[0] instanceof Error)
  assert.ok(errors[1] instanceof Error)
  assert.equal(errors[2], undefined)
})
