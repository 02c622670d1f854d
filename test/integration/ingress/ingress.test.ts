import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { isMillraceError, MillraceError } from '../../../runtime/errors.ts'
import { HeldLog, OpenLog, until } from '../../support/held-log.ts'
import {
  EVENT_HEADERS,
  refusalOf,
  send,
  startIngress,
  TOPIC,
  type PostOptions,
} from '../../support/ingress-fixture.ts'

const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' }

function structured(id: string, data: unknown = null): Record<string, unknown> {
  return { specversion: '1.0', id, source: '/test', type: 'test.happened', data }
}

const idOf = (record: { headers: ReadonlyArray<readonly [unknown, unknown]> }): string =>
  String(record.headers.find(([name]) => String(name) === 'ce_id')?.[1])

test('202 with an empty body comes only after the append is durable', async (t) => {
  const log = new HeldLog()
  const { port } = await startIngress(t, log)
  let answered = false
  const answer = send(port).then((got) => {
    answered = true
    return got
  })
  await until(() => log.appends.length === 1, 'the append begins')
  // A round trip of another request: an answer to the first one would have come before it.
  assert.equal((await send(port, { method: 'OPTIONS' })).status, 200)
  assert.equal(answered, false)
  log.end()
  const { status, body } = await answer
  assert.equal(status, 202)
  assert.equal(body, '')
})

test('while one append is in flight, the waiting requests form one next append in their order', async (t) => {
  const log = new HeldLog()
  const { port, bufferedBytes } = await startIngress(t, log)
  const first = send(port)
  await until(() => log.appends.length === 1, 'the first append begins')
  const others: Array<ReturnType<typeof send>> = []
  for (let i = 0; i < 20; i++) {
    const before = bufferedBytes()
    others.push(send(port, { headers: { ...EVENT_HEADERS, 'ce-id': `n${i}` } }))
    await until(() => bufferedBytes() > before, 'the request waits')
  }
  assert.equal(log.appends.length, 1)
  log.end()
  await until(() => log.appends.length === 2, 'the second append begins')
  assert.deepEqual(
    log.appends[1]?.map(idOf),
    others.map((_, i) => `n${i}`),
  )
  log.end()
  const answers = await Promise.all([first, ...others])
  assert.ok(answers.every(({ status }) => status === 202))
  assert.equal(log.appends.length, 2)
})

test('H2 binary, structured and batched events become records of the topic of their broker', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log)
  const requests: PostOptions[] = [
    { headers: { ...EVENT_HEADERS, 'ce-id': 'b' } },
    { headers: STRUCTURED, body: JSON.stringify(structured('s')), path: '/events/orders/' },
    { headers: BATCHED, body: JSON.stringify([structured('x'), structured('y')]) },
    { headers: { ...EVENT_HEADERS, 'ce-id': 'q' }, path: '/events/orders?a=b', chunked: true },
  ]
  for (const request of requests) assert.equal((await send(port, request)).status, 202)
  assert.deepEqual(log.records.map(idOf), ['b', 's', 'x', 'y', 'q'])
  assert.ok(log.records.every(({ topic }) => topic === TOPIC))
})

test('what a multi-tenant broker adds to an event passes as any other extension', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log)
  const added = { 'ce-knativebrokerttl': '0', 'ce-knativearrivaltime': '2026-01-02T03:04:05.678Z' }
  assert.equal((await send(port, { headers: { ...EVENT_HEADERS, ...added } })).status, 202)
  const headers = new Map(log.records[0]?.headers.map(([name, value]) => [name, value]))
  assert.equal(headers.get('ce_knativebrokerttl'), '0')
  assert.equal(headers.get('ce_knativearrivaltime'), '2026-01-02T03:04:05.678Z')
})

test('an empty batch is accepted and appends nothing', async (t) => {
  const log = new HeldLog()
  const { port } = await startIngress(t, log)
  assert.equal((await send(port, { headers: BATCHED, body: '[]' })).status, 202)
  assert.equal(log.appends.length, 0)
})

test('the data is never rewritten, whatever the content type says', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log)
  const json = '{"id": 7 , "__proto__":{"x":1e2}, "constructor":{"prototype":{}} }'
  const bodies: Array<[contentType: string | undefined, body: Buffer]> = [
    ['application/json', Buffer.from(json)],
    ['application/json; charset=utf-8', Buffer.from('not json {')],
    ['application/json', Buffer.from('\uFEFF{}')],
    ['text/plain', Buffer.from([0xff, 0x00, 0xc0])],
    ['application/x-www-form-urlencoded', Buffer.from('a=1&a=2')],
    ['multipart/form-data; boundary=x', Buffer.from('--x--')],
    ['application/octet-stream', Buffer.alloc(300_000, 0xfe)],
    [undefined, Buffer.from('no content type')],
  ]
  for (const [contentType, body] of bodies) {
    for (const chunked of [false, true]) {
      const headers = {
        ...EVENT_HEADERS,
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      }
      assert.equal((await send(port, { headers, body, chunked })).status, 202, contentType)
      const record = log.records.at(-1)
      assert.deepEqual(record?.value, body, contentType)
      const header = record?.headers.find(([name]) => String(name) === 'content-type')
      assert.equal(header?.[1]?.toString(), contentType)
    }
  }
})

test('a failed append is answered with 503 and Retry-After, a batch only as a whole', async (t) => {
  const log = new HeldLog()
  const { port, logged } = await startIngress(t, log)
  const first = send(port)
  await until(() => log.appends.length === 1, 'the first append begins')
  const batch = send(port, {
    headers: BATCHED,
    body: JSON.stringify([structured('1'), structured('bad'), structured('3')]),
  })
  const single = send(port, { headers: { ...EVENT_HEADERS, 'ce-id': 'single' } })
  log.end()
  assert.equal((await first).status, 202)
  let appended = 1
  // The two may come in one append or in two, whichever arrives first.
  while (appended < 5) {
    const have = appended
    await until(() => log.appends.flat().length > have, 'the next append begins')
    appended = log.appends.flat().length
    log.end((record) => (idOf(record) === 'bad' ? new Error('disk full') : undefined))
  }
  assert.equal((await single).status, 202)
  const refused = await batch
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal(refusalOf(refused).code, 'FN_BROKER_APPEND_FAILED')
  assert.match(refusalOf(refused).message, /disk full/)
  assert.equal(logged.length, 1)
})

test('an append that rejects is answered with 503, and the next one is taken', async (t) => {
  const log = new HeldLog()
  const { port, bufferedBytes } = await startIngress(t, log)
  const first = send(port)
  await until(() => log.appends.length === 1, 'the append begins')
  log.reject(new Error('gone'))
  assert.equal((await first).status, 503)
  const second = send(port)
  await until(() => log.appends.length === 2, 'the next append begins')
  log.end()
  assert.equal((await second).status, 202)
  assert.equal(bufferedBytes(), 0)
})

test('503 with Retry-After and the reason while the log does not answer', async (t) => {
  let trouble: string | undefined = 'no leader for partition 3'
  const log = new OpenLog()
  const { port } = await startIngress(t, log, { trouble: () => trouble })
  const answer = await send(port)
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['retry-after'], '1')
  assert.equal(refusalOf(answer).code, 'FN_BROKER_UNAVAILABLE')
  assert.match(refusalOf(answer).message, /no leader for partition 3/)
  assert.equal(log.records.length, 0)
  trouble = undefined
  assert.equal((await send(port)).status, 202)
})

test('a fault of ours is logged and answered with 500 that gives nothing away', async (t) => {
  const { port, logged, bufferedBytes } = await startIngress(t, new OpenLog(), {
    topicOf: () => {
      throw new Error('secret detail')
    },
  })
  const answer = await send(port, { body: 'x' })
  assert.equal(answer.status, 500)
  assert.equal(refusalOf(answer).code, 'FN_HTTP_INTERNAL')
  assert.ok(!answer.body.includes('secret'))
  assert.equal(logged.length, 1)
  assert.equal(bufferedBytes(), 0)
})

test('an event that the log finds too large is refused with 413', async (t) => {
  const log = new HeldLog()
  const { port } = await startIngress(t, log)
  const answer = send(port)
  await until(() => log.appends.length === 1, 'the append begins')
  log.end(() => new MillraceError('FN_EVENT_TOO_LARGE', 'max.message.bytes is 1,000'))
  assert.equal((await answer).status, 413)
})

test('every answer is counted by its status', async (t) => {
  const { port, codes } = await startIngress(t, new OpenLog())
  await send(port)
  await send(port, { headers: {} })
  await send(port, { path: '/nowhere' })
  await send(port, { path: '/%zz/x' })
  await send(port, { method: 'PUT' })
  assert.deepEqual(codes, [202, 400, 404, 400, 405])
})

test('a port in use is refused with what to do next', async (t) => {
  const holder = createServer()
  await new Promise<void>((resolve) => {
    holder.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => holder.close())
  const { port } = holder.address() as { port: number }
  const { ingress } = await startIngress(t, new OpenLog())
  await assert.rejects(ingress.listen({ host: '127.0.0.1', port }), (error) => {
    assert.ok(isMillraceError(error, 'FN_HTTP_LISTEN'))
    return true
  })
})

test("a channel's host takes events at the root, answers the prober, and loses to a broker's path", async (t) => {
  const log = new OpenLog()
  const names: string[] = []
  const { port } = await startIngress(t, log, {
    topicOf: (namespace, broker) => {
      names.push(`${namespace}/${broker}`)
      return `${namespace}.${broker}`
    },
  })
  const host = 'orders-kn-channel.events.svc.cluster.local'
  const at = (path: string, method = 'POST', headers: Record<string, string> = EVENT_HEADERS) =>
    send(port, { path, method, headers: { ...headers, host } })
  assert.equal((await at('/')).status, 202)
  assert.equal((await at('/?trace=1')).status, 202)
  assert.equal((await at('/events/other')).status, 202)
  assert.deepEqual(names, ['events/orders-kn-channel', 'events/orders-kn-channel', 'events/other'])
  assert.equal(log.records[0]?.topic, 'events.orders-kn-channel')
  const probe = await at('/', 'GET', { 'k-network-hash': 'a1' })
  assert.deepEqual([probe.status, probe.headers['k-network-hash']], [200, 'a1'])
  assert.equal((await at('/', 'PUT')).status, 405)
  assert.equal((await at('/', 'OPTIONS')).status, 200)
})
