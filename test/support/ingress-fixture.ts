import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import type { AppendRecord, AppendResult } from '../../runtime/contract/broker.ts'
import type { Logger } from '../../runtime/contract/log.ts'
import { createIngress, type Ingress, type IngressOptions } from '../../runtime/ingress/ingress.ts'

export const TOPIC = 'knative-broker-events-orders'
export const PATH = '/events/orders'

/** The attributes of a valid binary-mode event. */
export const EVENT_HEADERS = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/test',
  'ce-type': 'test.happened',
}

export interface RunningIngress {
  ingress: Ingress
  port: number
  base: string
  bufferedBytes: () => number
  /** Statuses as the metrics hear of them. */
  codes: number[]
  /** Messages logged at warn and error. */
  logged: string[]
}

export async function startIngress(
  t: TestContext,
  log: { append(records: AppendRecord[]): Promise<AppendResult[]> },
  overrides: Partial<IngressOptions> = {},
): Promise<RunningIngress> {
  let bufferedBytes = (): number => 0
  const codes: number[] = []
  const logged: string[] = []
  const ingress = await createIngress({
    append: (records) => log.append(records),
    topicOf: (namespace, broker) =>
      namespace === 'events' && broker === 'orders' ? TOPIC : undefined,
    brokers: () => ['events/orders'],
    trouble: () => undefined,
    maxEventBytes: 960 * 1024,
    maxBufferBytes: 64 * 1024 * 1024,
    log: memoryLogger(logged),
    metrics: {
      request: (code) => codes.push(code),
      append: () => undefined,
      bufferedBytes: (read) => {
        bufferedBytes = read
      },
    },
    ...overrides,
  })
  t.after(() => ingress.close())
  const { address, port } = await ingress.listen({ host: '127.0.0.1', port: 0 })
  return {
    ingress,
    port,
    base: `http://${address}:${port}`,
    bufferedBytes: () => bufferedBytes(),
    codes,
    logged,
  }
}

function memoryLogger(logged: string[]): Logger {
  const ignore = (): void => undefined
  const note = (fields: unknown, message?: string): void => {
    logged.push(message ?? String(fields))
  }
  const log: Logger = { debug: ignore, info: ignore, warn: note, error: note, child: () => log }
  return log
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface PostOptions {
  path?: string
  method?: string
  headers?: Record<string, string | string[]>
  body?: Buffer | string
  /** Sent with chunked encoding, so without a length. */
  chunked?: boolean
}

/** One request on a connection of its own, with exactly the headers given. */
export function send(port: number, options: PostOptions = {}): Promise<Answer> {
  const { path = PATH, method = 'POST', headers = EVENT_HEADERS, body = '', chunked } = options
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent: false,
      headers: {
        ...headers,
        ...(chunked === true
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': String(Buffer.byteLength(body)) }),
      },
    })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        })
      })
    })
    request.end(body)
  })
}

/** The code and message of a refusal. */
export function refusalOf(answer: Answer): { code: string; message: string } {
  return (JSON.parse(answer.body) as { error: { code: string; message: string } }).error
}

/** A request of an event as bytes on the wire, with `headers` besides, and as much body as is given. */
export function rawRequest(headers: Record<string, string>, body = ''): string {
  const lines = Object.entries({ ...EVENT_HEADERS, host: 'x', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

/** Writes raw bytes on one connection and gives what came back until the server closed it. */
export function sendRaw(port: number, bytes: Buffer | string, endAfter = false): Promise<string> {
  return new Promise((resolve) => {
    const received: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => {
      if (endAfter) socket.end(bytes)
      else socket.write(bytes)
    })
    socket.on('data', (chunk) => received.push(chunk))
    // A reset is one way for a server to close; what came before it counts.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      resolve(Buffer.concat(received).toString())
    })
  })
}
