import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { HeldLog, OpenLog, until } from '../../support/held-log.ts'
import {
  EVENT_HEADERS,
  PATH,
  rawRequest,
  refusalOf,
  send,
  sendRaw,
  startIngress,
} from '../../support/ingress-fixture.ts'

test('a drain finishes what was accepted and refuses the rest with 503 and Connection: close', async (t) => {
  const log = new HeldLog()
  const { port, ingress, bufferedBytes } = await startIngress(t, log)
  const inFlight = send(port)
  await until(() => log.appends.length === 1, 'the append begins')
  const held = bufferedBytes()
  const waiting = send(port)
  await until(() => bufferedBytes() > held, 'a second request waits')

  let drained = false
  const drain = ingress.drain().then(() => {
    drained = true
  })
  // Raw, because this client asks for "Connection: close" itself.
  assert.match(
    await sendRaw(port, rawRequest({})),
    /^HTTP\/1\.1 503 [^]*\r\nconnection: close\r\n/i,
  )
  const refused = await send(port)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal(refusalOf(refused).code, 'FN_INGRESS_DRAINING')
  assert.equal(drained, false)

  log.end()
  await until(() => log.appends.length === 2, 'the waiting request is appended')
  assert.equal(drained, false)
  log.end()
  assert.equal((await inFlight).status, 202)
  assert.equal((await waiting).status, 202)
  await drain
})

test('a request whose body was still arriving when the drain began is finished', async (t) => {
  const log = new OpenLog()
  const { port, ingress, bufferedBytes } = await startIngress(t, log)
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(rawRequest({ 'content-length': '2' }, '1'))
  await until(() => bufferedBytes() === 1, 'the first byte is here')
  const drain = ingress.drain()
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString()))
  })
  socket.write('2')
  await drain
  assert.match(await answer, /^HTTP\/1\.1 202 [^]*\r\nconnection: close\r\n/i)
  assert.equal(log.records.length, 1)
})

test('a sender that breaks off does not hold up a drain', async (t) => {
  const { port, ingress, bufferedBytes } = await startIngress(t, new OpenLog())
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n1`)
  await until(() => bufferedBytes() === 1, 'the first byte is here')
  const drain = ingress.drain()
  socket.resetAndDestroy()
  await drain
})

test('close is idempotent, ends idle connections, and nothing listens afterwards', async (t) => {
  const { port, ingress } = await startIngress(t, new OpenLog())
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  await new Promise<void>((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path: PATH,
      method: 'POST',
      agent,
      headers: EVENT_HEADERS,
    })
    request.on('error', reject)
    request.on('response', (response) => {
      response.resume()
      response.on('end', resolve)
    })
    request.end()
  })
  await Promise.all([ingress.close(), ingress.close()])
  await ingress.close()
  await assert.rejects(send(port), { code: 'ECONNREFUSED' })
})

test('close does not wait for a sender that never ends its request', async (t) => {
  const { port, ingress } = await startIngress(t, new OpenLog())
  const socket = connect(port, '127.0.0.1')
  const closed = new Promise<void>((resolve) => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve())
  })
  await new Promise<void>((resolve) => {
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\n`, () => resolve())
  })
  await ingress.close()
  await closed
})

test('a request that ends while the ingress closes gets its 503 too', async (t) => {
  const { port, ingress } = await startIngress(t, new OpenLog())
  const socket = connect(port, '127.0.0.1')
  const received: string[] = []
  const ended = new Promise<void>((resolve) => {
    socket.on('data', (data) => received.push(data.toString()))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve())
  })
  const request = rawRequest({ 'content-length': '0' })
  await new Promise<void>((resolve) => {
    socket.write(request.slice(0, 20), () => resolve())
  })
  // The answer on a later connection says that the server has the earlier one.
  await send(port)
  const close = ingress.close()
  await untilRefused(port)
  socket.write(request.slice(20))
  await ended
  assert.match(received.join(''), /^HTTP\/1\.1 503 [^]*FN_INGRESS_DRAINING/)
  await close
})

/** The listening socket closes first, so then the close is under way. */
async function untilRefused(port: number): Promise<void> {
  const isRefused = (): Promise<boolean> =>
    new Promise((resolve) => {
      const probe = connect(port, '127.0.0.1')
      probe.on('connect', () => {
        probe.destroy()
        resolve(false)
      })
      probe.on('error', () => resolve(true))
    })
  await eventually(isRefused, 'nothing listens any more')
}
