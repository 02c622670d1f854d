import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import {
  openRunner,
  startRawSubscriber,
  startSubscriber,
  workItem,
} from '../../../support/http-subscriber.ts'
import { selfSigned } from '../../../support/self-signed.ts'

test('closing ends a connection that is still being made', async (t) => {
  const connected = Promise.withResolvers<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined) // Broken off on purpose.
    socket.resume()
    connected.resolve(socket)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  // The server never says a word of TLS.
  const { deliver, subscribers } = openRunner(t, { url: `https://127.0.0.1:${port}/` })
  const results = deliver(workItem())
  const socket = await connected.promise
  const gone = once(socket, 'close', { signal: AbortSignal.timeout(60_000) })
  await subscribers.close(0)
  assert.equal((await results)[0]?.status, 'again')
  await gone
})

test('closing ends connections that wait for the next request', async (t) => {
  const sockets: Socket[] = []
  const url = await startRawSubscriber(t, (socket) => {
    sockets.push(socket)
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=60\r\n\r\n')
  })
  const { deliver, subscribers } = openRunner(t, { url })
  await deliver(workItem())
  const [socket] = sockets
  assert.ok(socket)
  assert.equal(socket.closed, false)
  const gone = once(socket, 'close', { signal: AbortSignal.timeout(60_000) })
  await subscribers.close(0)
  await gone
})

test('an idle connection is closed before servers that do not say when they close it do', async (t) => {
  const asked = Promise.withResolvers<Socket>()
  const url = await startRawSubscriber(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    asked.resolve(socket)
  })
  const [result] = await openRunner(t, { url }).deliver(workItem())
  assert.equal(result?.status, 'done')
  const socket = await asked.promise
  const since = performance.now()
  await once(socket, 'close', { signal: AbortSignal.timeout(15_000) })
  assert.ok(performance.now() - since > 500, 'but not at once')
})

test('what ran out of time while connecting is not sent, and takes room until then', async (t) => {
  const tls = selfSigned()
  const { url, received } = await startSubscriber(t, (response) => response.end(), tls)
  // Between the two, bytes wait until they are let through, and TLS with them.
  const open = Promise.withResolvers<void>()
  const between = createServer((socket) => {
    const onward = connect(Number(new URL(url).port), '127.0.0.1')
    for (const one of [socket, onward]) one.on('error', () => undefined) // Broken off on purpose.
    void open.promise.then(() => {
      socket.pipe(onward)
      onward.pipe(socket)
    })
    t.after(() => [socket, onward].map((one) => one.destroy()))
  }).listen(0, '127.0.0.1')
  t.after(() => between.close())
  await once(between, 'listening')
  const { port } = between.address() as { port: number }
  const { deliver } = openRunner(t, { url: `https://127.0.0.1:${port}/`, caCerts: tls.cert })
  const [late] = await deliver(workItem({ concurrency: 1, timeoutMs: 50 }))
  assert.ok(late?.status === 'failed')
  assert.equal(late.fault.code, 'FN_SUBSCRIBER_TIMEOUT')
  const next = workItem({ concurrency: 1 })
  const results = deliver(next)
  open.resolve()
  assert.equal((await results)[0]?.status, 'done')
  assert.deepEqual(
    received.map(({ headers }) => headers['ce-id']),
    [next.event.attributes.id],
  )
})
