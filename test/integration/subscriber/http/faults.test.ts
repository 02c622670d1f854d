import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { Fault } from '../../../../runtime/contract/outcome.ts'
import type { WorkResult } from '../../../../runtime/contract/work.ts'
import { retryOf } from '../../../../runtime/errors.ts'
import {
  closedPort,
  openRunner,
  startRawSubscriber,
  startSubscriber,
  workItem,
} from '../../../support/http-subscriber.ts'

function faultOf(result: WorkResult | undefined): Fault {
  assert.equal(result?.status, 'failed')
  return result.fault
}

function assertUnreachable({ code, response }: Fault, url: string): void {
  assert.equal(code, 'FN_SUBSCRIBER_UNREACHABLE')
  assert.equal(retryOf(code), 'backoff')
  assert.deepEqual(response, { dest: url })
}

test('a port on which nobody listens', async (t) => {
  const url = `http://127.0.0.1:${await closedPort()}/`
  const fault = faultOf((await openRunner(t, { url }).deliver(workItem()))[0])
  assertUnreachable(fault, url)
  assert.match(fault.message, /events\/pricer at http.*could not be reached: .*ECONNREFUSED/)
})

test('a server that closes before, in and after the header of its answer', async (t) => {
  for (const bytes of [
    '',
    'HTTP/1.1 200 OK\r\nconte',
    'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'HTTP/1.1 103 Early Hints\r\n\r\n',
  ]) {
    const url = await startRawSubscriber(t, (socket) => socket.end(bytes))
    assertUnreachable(faultOf((await openRunner(t, { url }).deliver(workItem()))[0]), url)
  }
})

test('a server that does not speak HTTP', async (t) => {
  for (const bytes of [
    '220 mail.example.com ESMTP\r\n\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}\r\n\r\n`,
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  ]) {
    const url = await startRawSubscriber(t, (socket) => socket.write(bytes))
    assertUnreachable(faultOf((await openRunner(t, { url }).deliver(workItem()))[0]), url)
  }
})

test('a failed status counts although the connection breaks in its body', async (t) => {
  const url = await startRawSubscriber(t, (socket) =>
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\nhalf'),
  )
  const { code, response } = faultOf((await openRunner(t, { url }).deliver(workItem()))[0])
  assert.equal(code, 'FN_SUBSCRIBER_REFUSED')
  assert.equal(Buffer.from(response?.body ?? '', 'base64').toString(), 'half')
})

test('an answer after interim ones is the answer', async (t) => {
  const url = await startRawSubscriber(t, (socket) =>
    socket.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
  )
  assert.equal((await openRunner(t, { url }).deliver(workItem()))[0]?.status, 'done')
})

test('no answer in time breaks the request off', async (t) => {
  const asked: ServerResponse[] = []
  const { url } = await startSubscriber(t, (response) => {
    if (asked.push(response) === 1) response.end()
  })
  const { deliver } = openRunner(t, { url })
  // What the first request of a process costs must not count here.
  await deliver(workItem())
  const [result] = await deliver(workItem({ timeoutMs: 1_000 }))
  const { code, response, message } = faultOf(result)
  assert.equal(code, 'FN_SUBSCRIBER_TIMEOUT')
  assert.equal(retryOf(code), 'backoff')
  assert.deepEqual(response, { dest: url })
  assert.match(message, /had not answered within 1000 ms/)
  assert.ok(result?.status === 'failed' && result.durationMs >= 999)
  const [, late] = asked
  assert.ok(late)
  if (!late.closed) await once(late, 'close')
})

test('a body that trickles does not win time', async (t) => {
  const { url } = await startSubscriber(t, (response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'), 10)
    response.on('close', () => clearInterval(timer))
  })
  const { deliver } = openRunner(t, { url })
  const { code } = faultOf((await deliver(workItem({ timeoutMs: 150 })))[0])
  assert.equal(code, 'FN_SUBSCRIBER_TIMEOUT')
})

test('a failed status whose body does not end counts, with what has come of it', async (t) => {
  let asked = 0
  const { url } = await startSubscriber(t, (response) => {
    if (asked++ === 0) response.end()
    else response.writeHead(422).write('half')
  })
  const { deliver } = openRunner(t, { url })
  await deliver(workItem())
  const { code, response } = faultOf((await deliver(workItem({ timeoutMs: 1_000 })))[0])
  assert.equal(code, 'FN_SUBSCRIBER_REFUSED')
  assert.equal(Buffer.from(response?.body ?? '', 'base64').toString(), 'half')
})

test('the time of an attempt may be longer than a timer can be', async (t) => {
  const { url } = await startSubscriber(t, (response) => response.end())
  const { deliver } = openRunner(t, { url })
  assert.equal((await deliver(workItem({ timeoutMs: 2 ** 40 })))[0]?.status, 'done')
})

test('a server that does not listen to its own socket: the time counts while connecting', async (t) => {
  // No TLS ever begins on a plain socket that says nothing, so there is never a connection.
  const url = await startRawSubscriber(t, () => undefined)
  const { deliver } = openRunner(t, { url: url.replace('http:', 'https:') })
  const { code, message } = faultOf((await deliver(workItem({ timeoutMs: 100 })))[0])
  assert.equal(code, 'FN_SUBSCRIBER_TIMEOUT')
  assert.match(message, /could not be connected to within 100 ms/)
})
