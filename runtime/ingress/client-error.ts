import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { refusalBody } from './answers.ts'

interface ClientError extends Error {
  code?: string
}

const REASONS: Readonly<Record<string, { status: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    message: 'the headers are too large; send a large event in structured mode',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    message: 'the request did not come to its end in time',
  },
}
const MALFORMED = { status: '400 Bad Request', message: 'these bytes are no HTTP/1.1 request' }

/**
 * Answers bytes that never became a request, then closes. Returns the status sent, or undefined where
 * nobody can be answered.
 */
export function answerClientError(error: ClientError, socket: Socket): number | undefined {
  if (!socket.writable || error.code === 'ECONNRESET' || awaitsAnswer(socket)) {
    socket.destroy()
    return undefined
  }
  const { status, message } = REASONS[error.code ?? ''] ?? MALFORMED
  const body = refusalBody({ code: 'FN_HTTP_MALFORMED', message })
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => {
    socket.destroy()
  })
  return Number.parseInt(status, 10)
}

/**
 * Whether a whole request before the broken bytes still waits: the sender would take our 400 for the
 * answer to that one. `_httpMessage` is what Node's own default handler looks at.
 */
function awaitsAnswer(socket: Socket): boolean {
  const pending = (socket as { _httpMessage?: ServerResponse<IncomingMessage> })._httpMessage
  return pending !== undefined && pending !== null && pending.req.complete
}
