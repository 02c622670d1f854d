/** Real subscribers on 127.0.0.1, and the runner that brings events to them. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createSocketServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { SubscriberRunner, WorkItem, WorkResult } from '../../runtime/contract/work.ts'
import {
  createHttpSubscribers,
  type HttpSubscriber,
  type HttpSubscribers,
} from '../../runtime/subscriber/http/subscribers.ts'
import { sampleEvent } from './event-arbitraries.ts'
import { freePorts } from './free-ports.ts'
import type { SelfSigned } from './self-signed.ts'

export const MAX_REPLY_BYTES = 100_000

export interface Received {
  url: string | undefined
  headers: IncomingMessage['headers']
  body: Buffer
}

export interface TestSubscriber {
  url: string
  received: Received[]
  /** Connections that were ever opened. */
  connections(): number
}

/** `answer` is called with the whole request. */
export async function startSubscriber(
  t: TestContext,
  answer: (response: ServerResponse, request: Received) => void,
  tls?: SelfSigned,
): Promise<TestSubscriber> {
  const received: Received[] = []
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url, headers } = request
      const whole = { url, headers, body: Buffer.concat(chunks) }
      received.push(whole)
      answer(response, whole)
    })
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  let connections = 0
  server.on('connection', () => connections++)
  t.after(() => server.closeAllConnections())
  const port = await listen(t, server)
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`
  return { url, received, connections: () => connections }
}

/** A server of bytes. `answer` is called when a request's header is there. */
export async function startRawSubscriber(
  t: TestContext,
  answer: (socket: Socket, request: () => string) => void,
): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createSocketServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined) // The runner breaks connections off.
    let text = ''
    let isAnswered = false
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (isAnswered || !text.includes('\r\n\r\n')) return
      isAnswered = true
      answer(socket, () => text)
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${await listen(t, server)}/`
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

async function listen(t: TestContext, server: Server): Promise<number> {
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

export interface TestRunner {
  runner: SubscriberRunner
  subscribers: HttpSubscribers
  /** Every result so far, in the order in which they came. */
  results: WorkResult[]
  /** Submits, and resolves with the items' results, in the items' order. */
  deliver: (...items: WorkItem[]) => Promise<WorkResult[]>
}

export function openRunner(
  t: TestContext,
  subscriber: Partial<HttpSubscriber> & { url: string },
): TestRunner {
  const subscribers = createHttpSubscribers({ maxReplyBytes: MAX_REPLY_BYTES })
  t.after(() => subscribers.close(0))
  const results: WorkResult[] = []
  const waiting = new Map<number, (result: WorkResult) => void>()
  const runner = subscribers.open({ name: 'events/pricer', ...subscriber }, (given) => {
    for (const result of given) {
      results.push(result)
      waiting.get(result.id)?.(result)
    }
  })
  const deliver = (...items: WorkItem[]): Promise<WorkResult[]> => {
    const promises = items.map(
      ({ id }) => new Promise<WorkResult>((resolve) => waiting.set(id, resolve)),
    )
    runner.submit(items)
    return Promise.all(promises)
  }
  return { runner, subscribers, results, deliver }
}

let nextId = 1

/** One event of a lane of its own, unless told otherwise. */
export function workItem(more: Partial<WorkItem> = {}): WorkItem {
  const id = nextId++
  return {
    id,
    event: sampleEvent({ id: `event-${id}` }),
    lane: id,
    concurrency: 16,
    trigger: 'events/orders',
    attempt: 1,
    timeoutMs: 60_000,
    ...more,
  }
}
