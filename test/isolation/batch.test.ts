/** Functions that export `batch`: which events a call gets, and what each of them comes to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkItem, WorkResult } from '../../runtime/contract/work.ts'
import { itemOf, openOne } from '../support/isolate.ts'

type Shown = string | { types: string[] } | { code: string; class: string; message: string }

/** What an event came to, short enough to compare. */
function shown(result: WorkResult | undefined): Shown {
  if (result?.status === 'done') {
    return { types: result.replies.map(({ attributes }) => String(attributes.type)) }
  }
  if (result?.status !== 'failed') return result?.status ?? 'nothing'
  const { code, class: name, message } = result.fault
  return { code, class: name, message }
}

function codeOf(result: WorkResult | undefined): string {
  return result?.status === 'failed' ? result.fault.code : (result?.status ?? 'nothing')
}

function replyData(result: WorkResult | undefined): unknown {
  assert.equal(result?.status, 'done', JSON.stringify(shown(result)))
  const [reply] = result.status === 'done' ? result.replies : []
  return JSON.parse(reply?.data?.bytes.toString() ?? 'null')
}

function isSuspect(result: WorkResult | undefined): boolean {
  return result?.status === 'again' && result.suspect
}

test('entry i is what came of event i: as a handler would have returned or thrown it', async (t) => {
  const one = await openOne(
    t,
    `import { DeadLetter, Drop, Retry } from './author/errors.ts'
     const made = {
       nothing: () => undefined, null: () => null, one: () => ({ type: 'a' }),
       several: () => [{ type: 'a' }, { type: 'b' }], generator: function* () { yield { type: 'a' }; yield { type: 'b' } },
       error: () => new TypeError('not so'), retry: () => new Retry({ after: 2_000 }), dead: () => new DeadLetter('no'),
       drop: () => new Drop('old'), wrong: () => 7, getter: () => ({ get type() { throw new Error('no type') } }),
     }
     export const batch = (events) => events.map((event) => made[event.type]())`,
  )
  const kinds = ['nothing', 'null', 'one', 'several', 'generator', 'error']
  const others = ['retry', 'dead', 'drop', 'wrong', 'getter']
  const results = await one.run([...kinds, ...others].map((type) => itemOf(type)))
  assert.deepEqual(results.slice(0, 5).map(shown), [
    { types: [] },
    { types: [] },
    { types: ['a'] },
    { types: ['a', 'b'] },
    { types: ['a', 'b'] },
  ])
  assert.deepEqual(shown(results[5]), {
    code: 'FN_HANDLER_THREW',
    class: 'TypeError',
    message: 'not so',
  })
  assert.deepEqual(results.slice(6).map(codeOf), [
    'FN_HANDLER_RETRY',
    'FN_HANDLER_DEAD_LETTER',
    'dropped',
    'FN_HANDLER_INVALID_REPLY',
    'FN_HANDLER_THREW',
  ])
  const retry = results[6]
  assert.equal(retry?.status === 'failed' && retry.fault.retryAfterMs, 2_000)
})

test('an entry may be a promise or an async iterable, whose rejection is its own event alone', async (t) => {
  const one = await openOne(
    t,
    `const later = (value) => new Promise((resolve) => setTimeout(resolve, 2, value))
     const made = {
       later: () => later({ type: 'a' }), error: () => later(new Error('resolved to one')),
       rejects: async () => { throw new RangeError('too far') },
       many: async function* () { yield { type: 'a' }; await later(); yield { type: 'b' } },
       now: () => ({ type: 'a' }),
     }
     export const batch = (events) => events.map((event) => made[event.type]())`,
  )
  const results = await one.run(
    ['rejects', 'later', 'error', 'many', 'now'].map((type) => itemOf(type)),
  )
  assert.deepEqual(results.map(shown), [
    { code: 'FN_HANDLER_THREW', class: 'RangeError', message: 'too far' },
    { types: ['a'] },
    { code: 'FN_HANDLER_THREW', class: 'Error', message: 'resolved to one' },
    { types: ['a', 'b'] },
    { types: ['a'] },
  ])
  assert.ok(
    !one.lines.some(({ message }) => message.includes('unhandled')),
    'nothing was unhandled',
  )
})

test('nothing says that all are done', async (t) => {
  const one = await openOne(
    t,
    `export const batch = async (events) => { if (events[0].type === 'null') return null }`,
  )
  for (const type of ['null', 'undefined']) {
    const results = await one.run([itemOf(type), itemOf(type)])
    assert.deepEqual(results.map(shown), [{ types: [] }, { types: [] }])
  }
})

const FAILURES = `export const batch = (events) => ({
  batchItemFailures: events.filter((event) => event.type !== 'good')
    .map((event) => event.type === 'reason' ? { itemIdentifier: event.id, reason: 'out of stock' } : { itemIdentifier: event.id }),
})`

test("batchItemFailures names those that failed, by id, and the others are done: Lambda's shape", async (t) => {
  const one = await openOne(t, FAILURES)
  const results = await one.run(['good', 'bad', 'reason', 'good'].map((type) => itemOf(type)))
  const failure = { code: 'FN_HANDLER_THREW', class: 'BatchItemFailure' }
  assert.deepEqual(results.map(shown), [
    { types: [] },
    { ...failure, message: 'the function named the event among its batchItemFailures' },
    { ...failure, message: 'out of stock' },
    { types: [] },
  ])
  const fine = await one.run([itemOf('good'), itemOf('good')])
  assert.deepEqual(fine.map(shown), [{ types: [] }, { types: [] }])
})

test('an id that two events have fails both of them', async (t) => {
  const one = await openOne(t, FAILURES)
  const same = (type: string, source: string): WorkItem =>
    itemOf(type, { attributes: { id: 'same', source } })
  const results = await one.run([same('bad', '/a'), same('good', '/b'), itemOf('good')])
  assert.deepEqual(results.map(codeOf), ['FN_HANDLER_THREW', 'FN_HANDLER_THREW', 'done'])
})

const WRONG: Record<string, [returned: string, message: RegExp]> = {
  'fewer entries': [`[]`, /returned 0 entries for 1 events; return one for each/],
  'more entries': [`[{ type: 'a' }, { type: 'b' }]`, /returned 2 entries for 1 events/],
  'a number': [`7`, /batch returned a number; return an array with an entry for each event/],
  'a reply': [`{ type: 'a' }`, /an object that is no result/],
  'an async generator': [`(async function* () {})()`, /an object that is no result/],
  'a misspelt name': [`{ batchItemFailure: [] }`, /an object that is no result/],
  'a second name': [`{ batchItemFailures: [], replies: [] }`, /an object that is no result/],
  'failures that are no list': [`{ batchItemFailures: null }`, /an object that is no result/],
  'an unknown id': [
    `{ batchItemFailures: [{ itemIdentifier: 'other' }] }`,
    /names "other", and no event of the batch has that id/,
  ],
  'an id that is no text': [
    `{ batchItemFailures: [{ itemIdentifier: null }] }`,
    /batchItemFailures\[0\]\.itemIdentifier is null/,
  ],
  'an id alone': [`{ batchItemFailures: ['x'] }`, /batchItemFailures\[0\] is a string; write/],
  'a misspelt member': [
    `{ batchItemFailures: [{ itemIdentifier: events[0].id, why: 'x' }] }`,
    /batchItemFailures\[0\] has "why"; it takes itemIdentifier and reason/,
  ],
}
for (const [what, [returned, message]] of Object.entries(WRONG)) {
  test(`${what} for one event is its InvalidReply; for two nobody is to blame yet`, async (t) => {
    const one = await openOne(t, `export const batch = (events) => (${returned})`)
    const result = await one.one(itemOf('x'))
    assert.equal(codeOf(result), 'FN_HANDLER_INVALID_REPLY')
    assert.match(result.status === 'failed' ? result.fault.message : '', message)
    if (what === 'more entries') return
    const pair = await one.run([itemOf('x'), itemOf('x')])
    assert.ok(pair.every(isSuspect), JSON.stringify(pair.map(shown)))
  })
}

/** What one call does when `poison` is among its events. */
const POISON: Record<string, [does: string, code: string]> = {
  throw: [`throw new Error('poison')`, 'FN_HANDLER_THREW'],
  'throw DeadLetter': [`throw new DeadLetter('poison')`, 'FN_HANDLER_DEAD_LETTER'],
  reject: [`return Promise.reject(new Error('poison'))`, 'FN_HANDLER_THREW'],
  loop: [`for (;;);`, 'FN_HANDLER_CPU'],
  'loop after an await': [`return sleep(5).then(() => { for (;;); })`, 'FN_HANDLER_CPU'],
  'never return': [`return new Promise(() => {})`, 'FN_HANDLER_DEADLOCK'],
  'take too long': [`return sleep(60_000)`, 'FN_HANDLER_TIMEOUT'],
  allocate: [`for (;;) hoard.push(new Array(1_000).fill({}))`, 'FN_HANDLER_MEMORY'],
  'return the wrong shape': [`return ['too', 'few', 'many']`, 'FN_HANDLER_INVALID_REPLY'],
  'name an unknown id': [
    `return { batchItemFailures: [{ itemIdentifier: 'other' }] }`,
    'FN_HANDLER_INVALID_REPLY',
  ],
}
for (const [what, [does, code]] of Object.entries(POISON)) {
  test(`one event among 64 that makes the call ${what} costs only itself`, async (t) => {
    const one = await openOne(
      t,
      `import { DeadLetter } from './author/errors.ts'
       const hoard = []
       const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
       export function batch(events) {
         if (events.some((event) => event.type === 'poison')) { ${does} }
         return events.map((event) => ({ type: 'seen', data: event.id }))
       }`,
      // A loop is to be stopped by the clock, allocations by the memory alone.
      { cpuMs: code === 'FN_HANDLER_MEMORY' ? 20_000 : 200, memoryMiB: 32 },
    )
    const items = Array.from({ length: 64 }, (_, n) =>
      itemOf(n === 37 ? 'poison' : 'good', {
        lane: 1_000 + (n % 10),
        timeoutMs: n === 37 && code === 'FN_HANDLER_TIMEOUT' ? 1_000 : 30_000,
      }),
    )
    const all = await one.settleAll(items)
    items.forEach((item, n) => {
      const results = all.get(item.id) ?? []
      const last = results.at(-1)
      assert.equal(codeOf(last), n === 37 ? code : 'done', `event ${n}`)
      if (n !== 37) assert.equal(replyData(last), item.event.attributes.id)
      const earlier = results.slice(0, -1).map(({ status }) => status)
      assert.deepEqual(earlier, Array<string>(earlier.length).fill('again'), `event ${n}`)
    })
  })
}

test('a failed batch says in the log why its events run one by one', async (t) => {
  const one = await openOne(t, `export const batch = () => { throw new Error('no database') }`)
  const results = await one.run([itemOf('x'), itemOf('x')])
  assert.ok(results.every(isSuspect), JSON.stringify(results.map(shown)))
  assert.ok(
    one.lines.some(({ message }) => /one by one: Error: no database/.test(message)),
    JSON.stringify(one.lines),
  )
})

const CALLS = `
  let calls = 0
  export async function batch(events, context) {
    const call = { call: ++calls, ids: events.map((event) => event.data) }
    if (events.some((event) => event.type === 'slow')) await new Promise((resolve) => setTimeout(resolve, 50))
    return events.map((event) => event.type === 'bad' ? new Error('bad') : { type: 'call', data: call })
  }`

test('a batch is what is there, at most max, of one trigger, in the order of its lanes', async (t) => {
  const one = await openOne(t, CALLS, { batchMax: 4 })
  const data = [1, 2, 3, 4, 5, 6]
  const results = await one.run(data.map((n) => itemOf('x', { data: n, lane: 1_000 + (n % 2) })))
  assert.deepEqual(results.map(replyData), [
    { call: 1, ids: [1, 3, 5, 2] },
    { call: 1, ids: [1, 3, 5, 2] },
    { call: 1, ids: [1, 3, 5, 2] },
    { call: 2, ids: [4, 6] },
    { call: 1, ids: [1, 3, 5, 2] },
    { call: 2, ids: [4, 6] },
  ])
  const mixed = await one.run([
    itemOf('x', { data: 'a', trigger: 'test/one' }),
    itemOf('x', { data: 'b', trigger: 'test/two' }),
    itemOf('x', { data: 'c', trigger: 'test/one' }),
  ])
  assert.deepEqual(
    mixed.map((result) => (replyData(result) as { ids: unknown }).ids),
    [['a', 'c'], ['b'], ['a', 'c']],
  )
})

test('a lane with an event under way has nothing in another batch meanwhile', async (t) => {
  const one = await openOne(t, CALLS, { batchMax: 2 })
  const results = await one.run([
    itemOf('slow', { data: 1, lane: 1_001 }),
    itemOf('slow', { data: 2, lane: 1_001 }),
    itemOf('x', { data: 3, lane: 1_001 }),
    itemOf('x', { data: 4, lane: 1_002 }),
  ])
  assert.deepEqual(results.map(replyData), [
    { call: 1, ids: [1, 2] },
    { call: 1, ids: [1, 2] },
    { call: 3, ids: [3] },
    { call: 2, ids: [4] },
  ])
})

test('what stands behind a failed event of its lane runs again, in the batch and behind it', async (t) => {
  const one = await openOne(t, CALLS, { batchMax: 5 })
  const results = await one.run([
    itemOf('x', { data: 1, lane: 1_001 }),
    itemOf('bad', { data: 2, lane: 1_001 }),
    itemOf('x', { data: 3, lane: 1_001 }),
    itemOf('x', { data: 4, lane: 1_002 }),
    itemOf('x', { data: 5, lane: 1_001 }),
    itemOf('x', { data: 6, lane: 1_001 }),
  ])
  assert.deepEqual(
    results.map((result) => [codeOf(result), isSuspect(result)]),
    [
      ['done', false],
      ['FN_HANDLER_THREW', false],
      ['again', false],
      ['done', false],
      ['again', false],
      ['again', false],
    ],
  )
})

test('what is tried again shares no batch with what is new', async (t) => {
  const one = await openOne(t, CALLS)
  const results = await one.run([
    itemOf('x', { data: 1 }),
    itemOf('x', { data: 2, attempt: 2 }),
    itemOf('x', { data: 3, attempt: 3 }),
    itemOf('x', { data: 4 }),
  ])
  assert.deepEqual(results.map(replyData), [
    { call: 1, ids: [1] },
    { call: 2, ids: [2, 3] },
    { call: 2, ids: [2, 3] },
    { call: 3, ids: [4] },
  ])
})

test('concurrency counts calls, however many events each has', async (t) => {
  const one = await openOne(
    t,
    `let now = 0, most = 0
     export async function batch(events) {
       most = Math.max(most, ++now)
       await new Promise((resolve) => setTimeout(resolve, 5))
       now--
       return events.map(() => ({ type: 'most', data: most }))
     }`,
    { batchMax: 5 },
  )
  const results = await one.run(Array.from({ length: 50 }, () => itemOf('x', { concurrency: 3 })))
  assert.equal(Math.max(...results.map((result) => replyData(result) as number)), 3)
})

test("the deadline is that of the most impatient event, and the signal is the batch's", async (t) => {
  const one = await openOne(
    t,
    `export const batch = (events, { signal }) => new Promise((resolve) => {
       const keepAlive = setInterval(() => {}, 60_000)
       signal.addEventListener('abort', () => {
         clearInterval(keepAlive)
         resolve(events.map(() => ({ type: 'aborted', data: signal.reason.message })))
       })
     })`,
  )
  const results = await one.run([
    itemOf('x', { timeoutMs: 60_000 }),
    itemOf('x', { timeoutMs: 50 }),
  ])
  assert.deepEqual(results.map(replyData), ['not done within 50 ms', 'not done within 50 ms'])
})

test('the context has what the batch shares, and of(event) what is each event’s own', async (t) => {
  const one = await openOne(
    t,
    `export function batch(events, context) {
       let refused
       try { context.of({ ...events[0] }) } catch (error) { refused = error.message }
       context.log.info('all of them', events.length)
       return events.map((event) => {
         const { attempt, idempotencyKey, log } = context.of(event)
         log.info('one', event.id)
         return { type: 'seen', data: { attempt, idempotencyKey, trigger: context.trigger, aborted: context.signal.aborted, refused } }
       })
     }`,
  )
  const item = (id: string, attempt: number): WorkItem =>
    itemOf('x', { attempt, trigger: 'shop/orders', attributes: { id, source: '/s' } })
  const results = await one.run([item('i', 3), item('j', 2)])
  const shared = {
    trigger: 'shop/orders',
    aborted: false,
    refused: 'context.of takes one of the events that batch was called with',
  }
  assert.deepEqual(results.map(replyData), [
    { attempt: 3, idempotencyKey: 'shop/orders//s/i', ...shared },
    { attempt: 2, idempotencyKey: 'shop/orders//s/j', ...shared },
  ])
  assert.deepEqual(
    results.map((result) => result.status === 'done' && result.logs),
    [[{ level: 'info', message: 'one i' }], [{ level: 'info', message: 'one j' }]],
  )
  assert.ok(one.lines.some(({ message }) => message === 'all of them 2'))
  const single = await one.one(item('k', 1))
  assert.deepEqual(single.status === 'done' && single.logs.map(({ message }) => message), [
    'all of them 1',
    'one k',
  ])
})

test('bad JSON that the function reads without care costs only its own event', async (t) => {
  const one = await openOne(
    t,
    `export const batch = (events) => events.map((event) => ({ type: 'read', data: event.data }))`,
  )
  const raw = { kind: 'json' as const, bytes: Buffer.from('{oops') }
  const items = [itemOf('x', { data: 1 }), itemOf('x', { raw }), itemOf('x', { data: 3 })]
  const all = await one.settleAll(items)
  assert.deepEqual(
    items.map((item) => codeOf(all.get(item.id)?.at(-1))),
    ['done', 'FN_DATA_INVALID', 'done'],
  )
})

test('500 events in sync batches are all done, and none twice', async (t) => {
  const one = await openOne(
    t,
    `let seen = 0
     export const batch = (events) => events.map(() => ({ type: 'n', data: ++seen }))`,
  )
  const results = await one.run(Array.from({ length: 500 }, () => itemOf('x')))
  const seen = results.map((result) => replyData(result) as number).sort((a, b) => a - b)
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, n) => n + 1),
  )
})
