/** What honest handlers may count on: data, replies, lanes, concurrency, time, logs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkResult } from '../../runtime/contract/work.ts'
import { itemOf, openOne } from '../support/isolate.ts'

function dataOf(result: WorkResult | undefined): unknown {
  assert.equal(result?.status, 'done', JSON.stringify(result))
  const [reply] = result.status === 'done' ? result.replies : []
  return JSON.parse(reply?.data?.bytes.toString() ?? 'null')
}

const ECHO = `export const handler = (event) => ({ type: 'echo', data: { is: typeof event.data, data: event.data } })`

test('data is cut by length: none can pass for its neighbour, and bad JSON costs only its own event', async (t) => {
  const one = await openOne(t, ECHO)
  const json = (text: string) => ({ raw: { kind: 'json' as const, bytes: Buffer.from(text) } })
  const [good, forging, bad, wide, none] = await one.run([
    itemOf('x', json('{"n":1}')),
    itemOf('x', json('1}],[')),
    itemOf('x', json('{oops')),
    itemOf('x', json('{"text":"é😀"}')),
    itemOf('x'),
  ])
  assert.deepEqual(dataOf(good), { is: 'object', data: { n: 1 } })
  assert.equal(forging?.status === 'failed' && forging.fault.code, 'FN_DATA_INVALID')
  assert.equal(bad?.status === 'failed' && bad.fault.class, 'InvalidData')
  assert.deepEqual(dataOf(wide), { is: 'object', data: { text: 'é😀' } })
  assert.deepEqual(dataOf(none), { is: 'undefined' })
})

test('bad JSON that nobody reads harms nobody', async (t) => {
  const one = await openOne(t, `export const handler = (event) => ({ type: event.id })`)
  const raw = { kind: 'json' as const, bytes: Buffer.from('{oops') }
  assert.equal((await one.one(itemOf('x', { raw }))).status, 'done')
})

test('text comes as a string, bytes as a Uint8Array, and both go out as they are', async (t) => {
  const one = await openOne(
    t,
    `export const handler = ({ data }) => ({
       type: data.constructor.name, datacontenttype: 'text/plain', data })`,
  )
  const bytes = Buffer.from([0, 255, 128, 65])
  const results = await one.run([
    itemOf('x', { raw: { kind: 'text', bytes: Buffer.from('grüße') } }),
    itemOf('x', { raw: { kind: 'binary', bytes } }),
    itemOf('x', { raw: { kind: 'json', bytes } }),
  ])
  const replies = results.map((result) =>
    result.status === 'done' ? result.replies[0] : undefined,
  )
  assert.deepEqual(
    replies.map((reply) => [reply?.attributes['type'], reply?.data?.kind]),
    [
      ['String', 'text'],
      ['Uint8Array', 'binary'],
      ['Uint8Array', 'binary'],
    ],
  )
  assert.equal(replies[0]?.data?.bytes.toString(), 'grüße')
  assert.deepEqual(replies[1]?.data?.bytes, bytes)
})

test('the event is a plain object: it can be spread, changed, listed and serialised', async (t) => {
  const one = await openOne(
    t,
    `export function handler(event) {
       const spread = { ...event }
       event.data.n++
       const changed = event.data.n
       event.data = { other: true }
       return { type: 'seen', data: {
         keys: Object.keys(event), own: Reflect.ownKeys(event).length, plain: Object.getPrototypeOf(event) === Object.prototype,
         spread: spread.data, changed, now: JSON.parse(JSON.stringify(event)).data, derived: Object.create(event).data } }
     }`,
  )
  assert.deepEqual(dataOf(await one.one(itemOf('x', { data: { n: 1 } }))), {
    keys: ['specversion', 'id', 'source', 'type', 'data'],
    own: 5,
    plain: true,
    spread: { n: 2 },
    changed: 2,
    now: { other: true },
    derived: { other: true },
  })
})

test('the context says what the event is to be handled as', async (t) => {
  const one = await openOne(
    t,
    `export const handler = (event, { attempt, trigger, idempotencyKey, signal }) => ({
       type: 'seen', data: { attempt, trigger, idempotencyKey, aborted: signal.aborted } })`,
  )
  const item = itemOf('x', {
    attempt: 3,
    trigger: 'shop/orders',
    attributes: { id: 'i', source: '/s' },
  })
  assert.deepEqual(dataOf(await one.one(item)), {
    attempt: 3,
    trigger: 'shop/orders',
    idempotencyKey: 'shop/orders//s/i',
    aborted: false,
  })
})

test('replies are nothing, one, an array, or an iterable collected to its end', async (t) => {
  const one = await openOne(
    t,
    `const handlers = {
       nothing: () => undefined, nothingLater: async () => null, one: () => ({ type: 'a' }),
       array: () => [{ type: 'a' }, { type: 'b' }],
       generator: function* () { yield { type: 'a' }; yield { type: 'b' } },
       async: async function* () { yield { type: 'a' }; await new Promise((r) => setTimeout(r, 1)); yield { type: 'b' } },
       endless: function* () { for (;;) yield { type: 'a' } },
       large: () => Array.from({ length: 9 }, () => ({ type: 'a', data: 'x'.repeat(1_000_000) })),
     }
     export const handler = (event) => handlers[event.type]()`,
  )
  const types = async (type: string): Promise<unknown> => {
    const result = await one.toEnd(itemOf(type))
    if (result.status !== 'done') return result.status === 'failed' && result.fault.code
    return result.replies.map(({ attributes }) => attributes.type)
  }
  assert.deepEqual(await types('nothing'), [])
  assert.deepEqual(await types('nothingLater'), [])
  assert.deepEqual(await types('one'), ['a'])
  assert.deepEqual(await types('array'), ['a', 'b'])
  assert.deepEqual(await types('generator'), ['a', 'b'])
  assert.deepEqual(await types('async'), ['a', 'b'])
  assert.equal(await types('endless'), 'FN_HANDLER_REPLY_TOO_LARGE')
  assert.equal(await types('large'), 'FN_HANDLER_REPLY_TOO_LARGE')
})

test('Retry, Drop and DeadLetter are recognised in a bundle', async (t) => {
  const one = await openOne(
    t,
    `import { DeadLetter, Drop, Retry } from './author/errors.ts'
     const thrown = { retry: () => new Retry({ after: 'PT2S' }), later: () => new Retry(), drop: () => new Drop('old'), dead: () => new DeadLetter('no such customer') }
     export const handler = async (event) => { throw thrown[event.type]() }`,
  )
  const [retry, later, drop, dead] = await one.run(
    ['retry', 'later', 'drop', 'dead'].map((type) => itemOf(type)),
  )
  assert.equal(retry?.status === 'failed' && retry.fault.code, 'FN_HANDLER_RETRY')
  assert.equal(retry?.status === 'failed' && retry.fault.retryAfterMs, 2_000)
  assert.equal(later?.status === 'failed' && later.fault.retryAfterMs, undefined)
  assert.equal(drop?.status === 'dropped' && drop.reason, 'old')
  assert.equal(dead?.status === 'failed' && dead.fault.code, 'FN_HANDLER_DEAD_LETTER')
  assert.equal(dead?.status === 'failed' && dead.fault.message, 'no such customer')
})

test("a fault's stack shows the function's own file and line", async (t) => {
  const one = await openOne(
    t,
    `\nexport function handler(event) {\n  return event.data.missing.value\n}`,
  )
  const result = await one.one(itemOf('x', { data: {} }))
  const stack = result.status === 'failed' ? (result.fault.stack ?? '') : ''
  assert.match(stack, /^TypeError: .*\n\s+at handler \(fixture\.ts:3:\d+\)$/)
})

test('a lane keeps its order and never runs twice at once, while others overtake it', async (t) => {
  const one = await openOne(
    t,
    `const running = {}
     let starts = 0
     export async function handler({ data: { lane, waitMs } }) {
       running[lane] = (running[lane] ?? 0) + 1
       const seen = { beside: running[lane], start: ++starts }
       await new Promise((resolve) => setTimeout(resolve, waitMs))
       running[lane]--
       return { type: 'ran', data: seen }
     }`,
  )
  const inLane = (lane: number, waitMs: number) => itemOf('x', { lane, data: { lane, waitMs } })
  const items = [inLane(1, 30), inLane(1, 1), inLane(2, 1), inLane(2, 1), inLane(1, 1)]
  const seen = (await one.run(items)).map((result) => dataOf(result))
  assert.deepEqual(seen, [
    { beside: 1, start: 1 },
    { beside: 1, start: 4 },
    { beside: 1, start: 2 },
    { beside: 1, start: 3 },
    { beside: 1, start: 5 },
  ])
})

test('at most so many handlers of a trigger are suspended as its concurrency says', async (t) => {
  const one = await openOne(
    t,
    `let now = 0, most = 0
     export async function handler(event) {
       if (event.type === 'sync') return { type: 'most', data: most }
       most = Math.max(most, ++now)
       await new Promise((resolve) => setTimeout(resolve, 5))
       now--
       return { type: 'most', data: most }
     }`,
  )
  const results = await one.run(Array.from({ length: 30 }, () => itemOf('x', { concurrency: 4 })))
  assert.equal(Math.max(...results.map((result) => dataOf(result) as number)), 4)
})

test('500 honest events of 2 ms each, with awaits, are all done in one isolate', async (t) => {
  const one = await openOne(
    t,
    `const work = (ms) => { const end = Date.now() + ms; while (Date.now() < end); }
     export async function handler() { work(1); await null; work(1); return { type: 'done' } }`,
  )
  const items = Array.from({ length: 500 }, () => itemOf('x', { timeoutMs: 120_000 }))
  const all = await one.settleAll(items)
  for (const results of all.values()) assert.equal(results.at(-1)?.status, 'done')
  // A machine that has no time for an isolate may cost it, and no event its attempt.
  const lost = one.lines.filter(({ message }) => /isolate/.test(message))
  assert.deepEqual(
    lost.filter(({ fields }) => fields['starved'] !== true),
    [],
  )
})

test('timers fire in the order they are due, repeat and can be cleared', async (t) => {
  const one = await openOne(
    t,
    `export async function handler() {
       const fired = []
       setTimeout((name) => fired.push(name), 20, 'late')
       setTimeout(() => fired.push('early'), 5)
       clearTimeout(setTimeout(() => fired.push('never'), 1))
       const every = setInterval(() => { if (fired.push('tick') > 3) clearInterval(every) }, 2)
       queueMicrotask(() => fired.push('microtask'))
       await new Promise((resolve) => setTimeout(resolve, 40))
       return { type: 'fired', data: { first: fired[0], late: fired.includes('late'), never: fired.includes('never'), order: fired.indexOf('early') < fired.indexOf('late'), ticks: fired.filter((name) => name === 'tick').length > 0 } }
     }`,
  )
  assert.deepEqual(dataOf(await one.one(itemOf('x'))), {
    first: 'microtask',
    late: true,
    never: false,
    order: true,
    ticks: true,
  })
})

test('lines go with the event that wrote them', async (t) => {
  const one = await openOne(
    t,
    `export async function handler(event, context) {
       console.warn('sync', event.type, { n: 1 })
       await new Promise((resolve) => setTimeout(resolve, 5))
       context.log.info('later', event.type)
     }`,
  )
  const results = await one.run([itemOf('a'), itemOf('b')])
  assert.deepEqual(
    results.map((result) => result.status === 'done' && result.logs),
    ['a', 'b'].map((type) => [
      { level: 'warn', message: `sync ${type} {"n":1}` },
      { level: 'info', message: `later ${type}` },
    ]),
  )
})

test('the signal fires at the deadline, and a handler that heeds it ends by itself', async (t) => {
  const one = await openOne(
    t,
    `export const handler = (event, { signal }) => new Promise((resolve) => {
       const keepAlive = setInterval(() => {}, 1_000)
       signal.addEventListener('abort', () => {
         clearInterval(keepAlive)
         if (event.type === 'heeds') resolve({ type: signal.reason.name })
       })
     })`,
  )
  const heeding = await one.one(itemOf('heeds', { timeoutMs: 50 }))
  assert.equal(heeding.status === 'done' && heeding.replies[0]?.attributes.type, 'TimeoutError')
  const deaf = await one.toEnd(itemOf('deaf', { timeoutMs: 50 }))
  assert.equal(deaf.status, 'failed')
})

test('a handler that is out of time fails, and the events beside it go on', async (t) => {
  const one = await openOne(
    t,
    `const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
     export async function handler(event) {
       if (event.type === 'slow') await sleep(60_000)
       await sleep(300)
       return { type: 'done' }
     }`,
  )
  const [slow, ...others] = await one.run([
    itemOf('slow', { timeoutMs: 100 }),
    ...Array.from({ length: 5 }, () => itemOf('x')),
  ])
  assert.equal(slow?.status === 'failed' && slow.fault.code, 'FN_HANDLER_TIMEOUT')
  assert.ok(others.every(({ status }) => status === 'done'))
  assert.equal((await one.one(itemOf('x'))).status, 'done')
})

test('the web APIs do what they are known for', async (t) => {
  const one = await openOne(
    t,
    `export function handler() {
       const cyclic = { when: new Date(5), map: new Map([['a', new Set([1])]]), bytes: new Uint8Array([1, 2]) }
       cyclic.self = cyclic
       const copy = structuredClone(cyclic)
       const text = 'grüße 😀'
       const controller = new AbortController()
       const joined = AbortSignal.any([controller.signal])
       controller.abort('enough')
       let refused
       try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])) } catch (error) { refused = error.name }
       return { type: 'made', data: {
         bytes: [...new TextEncoder().encode(text)], text: new TextDecoder().decode(new TextEncoder().encode(text)),
         broken: new TextDecoder().decode(new Uint8Array([0x61, 0xe2, 0x82, 0x62])), refused,
         base64: btoa('a\\xff'), binary: atob(' YQ== '), joined: joined.reason,
         copy: [copy.self === copy, copy !== cyclic, copy.when.getTime(), [...copy.map.get('a')], [...copy.bytes]] } }
     }`,
  )
  assert.deepEqual(dataOf(await one.one(itemOf('x'))), {
    bytes: [...Buffer.from('grüße 😀')],
    text: 'grüße 😀',
    broken: 'a\ufffdb',
    refused: 'TypeError',
    base64: 'Yf8=',
    binary: 'a',
    joined: 'enough',
    copy: [true, true, 5, [1], [1, 2]],
  })
})
