import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { HeldLog, OpenLog, until } from '../../support/held-log.ts'
import {
  EVENT_HEADERS,
  PATH,
  rawRequest,
  refusalOf,
  send,
  sendRaw,
  startIngress,
  type PostOptions,
} from '../../support/ingress-fixture.ts'

const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' }
const EVENT = { specversion: '1.0', id: '1', source: '/test', type: 'test.happened' }

const REFUSED: Array<[what: string, request: PostOptions, status: number, code: string]> = [
  ['no CloudEvent at all', { headers: {}, body: '{}' }, 400, 'FN_EVENT_INVALID'],
  ['a missing id', { headers: { ...EVENT_HEADERS, 'ce-id': '' } }, 400, 'FN_EVENT_INVALID'],
  [
    'an attribute given twice',
    { headers: { ...EVENT_HEADERS, 'ce-x': ['1', '2'] } },
    400,
    'FN_EVENT_INVALID',
  ],
  ['malformed JSON', { headers: STRUCTURED, body: '{"id":' }, 400, 'FN_EVENT_INVALID'],
  [
    'a batch with one bad event',
    { headers: BATCHED, body: JSON.stringify([EVENT, {}]) },
    400,
    'FN_EVENT_INVALID',
  ],
  ['a broken URL', { path: '/events/%E0%A4%A' }, 400, 'FN_HTTP_MALFORMED'],
  ['the root', { path: '/' }, 404, 'FN_HTTP_NOT_FOUND'],
  [
    'the host of an unknown channel',
    { path: '/', headers: { ...EVENT_HEADERS, host: 'none-kn-channel.events.svc' } },
    404,
    'FN_HTTP_NOT_FOUND',
  ],
  [
    'the host of a broker',
    { path: '/', headers: { ...EVENT_HEADERS, host: 'orders.events.svc' } },
    404,
    'FN_HTTP_NOT_FOUND',
  ],
  [
    'another path at the host of a channel',
    { path: '/events', headers: { ...EVENT_HEADERS, host: 'in-kn-channel.events.svc' } },
    404,
    'FN_HTTP_NOT_FOUND',
  ],
  ['an unknown broker', { path: '/events/other' }, 404, 'FN_HTTP_NOT_FOUND'],
  ['a longer path', { path: '/events/orders/more' }, 404, 'FN_HTTP_NOT_FOUND'],
  ['a very long name', { path: `/events/${'x'.repeat(5_000)}` }, 404, 'FN_HTTP_NOT_FOUND'],
  ['a name of an object prototype', { path: '/__proto__/constructor' }, 404, 'FN_HTTP_NOT_FOUND'],
  [
    'another event format',
    { headers: { 'content-type': 'application/cloudevents+avro' } },
    415,
    'FN_EVENT_UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'a content type that is none',
    { headers: { ...EVENT_HEADERS, 'content-type': 'json' }, body: '{}' },
    415,
    'FN_EVENT_UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'a content encoding',
    { headers: { ...EVENT_HEADERS, 'content-encoding': 'gzip' } },
    415,
    'FN_EVENT_UNSUPPORTED_MEDIA_TYPE',
  ],
]

for (const [what, request, status, code] of REFUSED) {
  test(`${what} is refused with ${status}`, async (t) => {
    const log = new OpenLog()
    const { port, bufferedBytes, logged } = await startIngress(t, log)
    const answer = await send(port, request)
    assert.equal(answer.status, status)
    assert.match(String(answer.headers['content-type']), /^application\/json/)
    assert.equal(refusalOf(answer).code, code)
    assert.ok(!answer.body.includes('node_modules'), 'no stack')
    assert.equal(log.records.length, 0)
    assert.equal(bufferedBytes(), 0)
    assert.deepEqual(logged, [])
  })
}

test('W1 a delivery is a POST, and no answer to one is a redirect', async (t) => {
  const { port } = await startIngress(t, new OpenLog(), { maxBufferBytes: 10 })
  const statuses = await Promise.all([
    send(port),
    send(port, { path: '/events/orders/' }),
    send(port, { method: 'GET' }),
    send(port, { headers: { 'content-type': 'application/cloudevents+avro' } }),
    send(port, { path: '/events/gone' }),
    send(port, { body: 'x'.repeat(11), chunked: true }),
  ])
  assert.deepEqual(
    statuses.map(({ status }) => status),
    [202, 202, 405, 415, 404, 413],
  )
})

test('a 404 says how the path is formed and names at most 20 brokers', async (t) => {
  const brokers = Array.from({ length: 25 }, (_, i) => `ns/b${i}`)
  const { port } = await startIngress(t, new OpenLog(), { brokers: () => brokers })
  const { message } = refusalOf(await send(port, { path: '/x/y' }))
  assert.match(message, /\/\{namespace\}\/\{broker\}/)
  assert.match(message, /ns\/b19 and 5 more$/)
  assert.doesNotMatch(message, /b20/)
})

test('other methods get 405 with Allow, also those that few know', async (t) => {
  const { port } = await startIngress(t, new OpenLog())
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'QUERY', 'TRACE']) {
    const answer = await send(port, { method, headers: {}, body: 'x' })
    assert.equal(answer.status, 405, method)
    assert.equal(answer.headers['allow'], 'POST, OPTIONS', method)
    assert.equal(refusalOf(answer).code, 'FN_HTTP_METHOD_NOT_ALLOWED')
  }
  assert.equal((await send(port, { method: 'HEAD', headers: {} })).status, 405)
  assert.equal((await send(port, { method: 'GET', path: '/x/y', headers: {} })).status, 404)
})

test('W2 OPTIONS answers as http-webhook asks, and only an asker gets the WebHook headers', async (t) => {
  const { port } = await startIngress(t, new OpenLog())
  const plain = await send(port, { method: 'OPTIONS', headers: {} })
  assert.equal(plain.status, 200)
  assert.equal(plain.headers['allow'], 'POST, OPTIONS')
  assert.equal(plain.headers['webhook-allowed-origin'], undefined)
  const asked = await send(port, {
    method: 'OPTIONS',
    headers: { 'WebHook-Request-Origin': 'eventemitter.example.com' },
  })
  assert.equal(asked.status, 200)
  assert.equal(asked.headers['webhook-allowed-origin'], 'eventemitter.example.com')
  assert.equal(asked.headers['webhook-allowed-rate'], '*')
})

test("Knative's prober gets 200 and its hash from a broker that is there, and 404 from another", async (t) => {
  const { port } = await startIngress(t, new OpenLog())
  const probe = { method: 'GET', headers: { 'K-Network-Hash': 'a1b2c3' } }
  const found = await send(port, probe)
  assert.equal(found.status, 200)
  assert.equal(found.headers['k-network-hash'], 'a1b2c3')
  assert.equal((await send(port, { ...probe, path: '/events/other' })).status, 404)
  assert.equal((await send(port, { ...probe, headers: {} })).status, 405)
})

test('2 MiB are refused with 413 in every mode, with and without a length', async (t) => {
  const log = new OpenLog()
  const { port, bufferedBytes } = await startIngress(t, log)
  const large = 'x'.repeat(2 * 1024 * 1024)
  const requests: PostOptions[] = [
    { body: large },
    { headers: STRUCTURED, body: JSON.stringify({ ...EVENT, data: large }) },
    { headers: BATCHED, body: JSON.stringify([EVENT, { ...EVENT, data: large }]) },
  ]
  for (const request of requests) {
    for (const chunked of [false, true]) {
      const answer = await send(port, { ...request, chunked })
      assert.equal(answer.status, 413)
      assert.equal(refusalOf(answer).code, 'FN_EVENT_TOO_LARGE')
    }
  }
  assert.equal(log.records.length, 0)
  await until(() => bufferedBytes() === 0, 'nothing is held any more')
})

test('a length that is too large or does not fit is refused before the body comes', async (t) => {
  const log = new HeldLog()
  const { port, bufferedBytes } = await startIngress(t, log, {
    maxEventBytes: 5_000,
    maxBufferBytes: 10_000,
  })
  const onlyHead = (length: number): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(rawRequest({ 'content-length': String(length) }))
    return new Promise((resolve) => {
      socket.once('data', (data) => resolve(data.toString()))
    })
  }
  assert.match(await onlyHead(5_001), /^HTTP\/1\.1 413 /)
  const held = [send(port, { body: 'x'.repeat(4_000) }), send(port, { body: 'x'.repeat(4_000) })]
  await until(() => bufferedBytes() > 8_000, 'both wait')
  assert.match(await onlyHead(4_000), /^HTTP\/1\.1 429 /)
  log.end()
  await until(() => log.appends.length === 2, 'the second append begins')
  log.end()
  for (const answer of await Promise.all(held)) assert.equal(answer.status, 202)
})

test('an event may be as large as maxEventBytes says, attributes included, and not larger', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log, { maxEventBytes: 1_000 })
  await send(port)
  const overhead = (log.records[0]?.headers ?? []).reduce(
    (sum, [name, value]) => sum + name.length + (value?.length ?? 0),
    0,
  )
  assert.ok(overhead > 0)
  assert.equal((await send(port, { body: 'x'.repeat(1_000 - overhead) })).status, 202)
  assert.equal((await send(port, { body: 'x'.repeat(1_001 - overhead) })).status, 413)
})

test('a batch may be larger than an event in sum', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log, { maxEventBytes: 1_000 })
  const batch = (count: number): string =>
    JSON.stringify(Array.from({ length: count }, () => ({ ...EVENT, data: 'x'.repeat(500) })))
  assert.equal((await send(port, { headers: BATCHED, body: batch(10) })).status, 202)
  assert.equal(log.records.length, 10)
  assert.equal((await send(port, { headers: BATCHED, body: batch(20) })).status, 413)
})

test('a full buffer is answered with 429 and Retry-After, and takes again when it is empty', async (t) => {
  const log = new HeldLog()
  const { port, bufferedBytes } = await startIngress(t, log, { maxBufferBytes: 10_000 })
  const held = send(port, { body: 'x'.repeat(9_000) })
  await until(() => log.appends.length === 1, 'the append begins')
  assert.ok(bufferedBytes() > 9_000)
  for (const chunked of [false, true]) {
    const answer = await send(port, { body: 'y'.repeat(2_000), chunked })
    assert.equal(answer.status, 429)
    assert.equal(answer.headers['retry-after'], '1')
    assert.equal(refusalOf(answer).code, 'FN_INGRESS_BUSY')
  }
  const small = send(port, { body: 'z' })
  log.end()
  assert.equal((await held).status, 202)
  await until(() => log.appends.length === 2, 'the small one is appended')
  log.end()
  assert.equal((await small).status, 202)
  assert.equal(bufferedBytes(), 0)
})

test('bytes count from their arrival and no longer when the sender breaks off', async (t) => {
  const { port, bufferedBytes } = await startIngress(t, new OpenLog())
  const socket = connect(port, '127.0.0.1')
  socket.write(rawRequest({ 'content-length': '1000' }, '0123456789'))
  await until(() => bufferedBytes() === 10, 'ten bytes are held')
  socket.resetAndDestroy()
  await until(() => bufferedBytes() === 0, 'they are let go')
  assert.equal((await send(port)).status, 202)
})

test('C19 an event with 64 KiB of attributes or 3,000 of them passes whole', async (t) => {
  const log = new OpenLog()
  const { port } = await startIngress(t, log)
  const subject = 'x'.repeat(64 * 1024)
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`ce-x${i}`, '1']))
  assert.equal(
    (await send(port, { headers: { ...EVENT_HEADERS, 'ce-subject': subject } })).status,
    202,
  )
  assert.equal((await send(port, { headers: { ...EVENT_HEADERS, ...many } })).status, 202)
  assert.equal(
    log.records[0]?.headers.find(([name]) => String(name) === 'ce_subject')?.[1]?.length,
    subject.length,
  )
  assert.equal(log.records[1]?.headers.length, 3_004)
})

test('bytes that are no HTTP are refused with JSON and the connection is closed', async (t) => {
  const { port, codes } = await startIngress(t, new OpenLog())
  const garbage = await sendRaw(port, 'what is this\r\n\r\n')
  assert.match(garbage, /^HTTP\/1\.1 400 Bad Request\r\n/)
  assert.match(garbage, /\{"error":\{"code":"FN_HTTP_MALFORMED"/)
  const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\n`
  const overflow = await sendRaw(port, `${head}ce-x: ${'x'.repeat(140_000)}\r\n\r\n`)
  assert.match(overflow, /^HTTP\/1\.1 431 /)
  const chunked = await sendRaw(port, `${head}transfer-encoding: chunked\r\n\r\nzz\r\n`)
  assert.match(chunked, /^HTTP\/1\.1 400 /)
  assert.deepEqual(codes, [400, 431, 400])
})

test('broken bytes behind a waiting request are not answered in its place', async (t) => {
  const log = new HeldLog()
  const { port } = await startIngress(t, log)
  const received = sendRaw(port, rawRequest({ 'content-length': '0' }, 'garbage\r\n\r\n'))
  assert.equal(await received, '')
  log.end()
})
