/**
 * What an answer means for its event. The status rules are Knative's (specs, `eventing/data-plane.md`);
 * replies are read as its Kafka broker reads them (eventing-kafka-broker, `BaseResponseHandler`): any 2xx
 * may carry an event, and a body that is none is a failure that cannot heal.
 */
import { STATUS_CODES } from 'node:http'
import { decodeHttp, type DecodedHttp } from '../../codec/http.ts'
import type { Fault, FaultResponse } from '../../contract/outcome.ts'
import type { WorkReply } from '../../contract/work.ts'
import { isMillraceError } from '../../errors.ts'
import { errorExtensions } from './error-extensions.ts'
import { headerOf, type Answer, type Response } from './exchange.ts'
import { retryAfterMs } from './retry-after.ts'

export interface Asked {
  /** For messages. */
  subscriber: string
  /** The whole address, for the dead letter. */
  dest: string
  timeoutMs: number
  /** Largest data of a reply. */
  maxReplyBytes: number
}

export type Outcome = { replies: WorkReply[] } | { fault: Fault }

export function outcomeOf(answer: Answer, asked: Asked): Outcome {
  switch (answer.kind) {
    case 'response':
      if (answer.status >= 200 && answer.status < 300) return replied(answer, asked)
      return { fault: statusFault(answer, asked) }
    case 'timeout':
      return { fault: timeoutFault(answer.connected, asked) }
    case 'broken':
      return { fault: brokenFault(answer.error, answer.status, asked) }
    case 'tooLarge':
      return { fault: tooLargeFault(answer.status, `more than ${answer.limit} bytes`, asked) }
  }
}

/** Below 500, what may heal: not there yet, slow, in conflict, too many. */
const RETRIED: ReadonlySet<number> = new Set([404, 408, 409, 429])
/** Those with which Retry-After is heard (specs, `eventing/control-plane.md`, `retryAfterMax`). */
const WITH_RETRY_AFTER: ReadonlySet<number> = new Set([429, 503])

function statusFault(response: Response, asked: Asked): Fault {
  const { status, headers } = response
  const isRetried = status >= 500 || RETRIED.has(status)
  const fault: Fault = {
    code: isRetried ? 'FN_SUBSCRIBER_FAILED' : 'FN_SUBSCRIBER_REFUSED',
    class: `Http${status}`,
    message: `${asked.subscriber} answered ${statusText(response)}${isRetried ? '' : adviceFor(response)}${excerpt(response)}`,
    response: responseOf(response, asked),
  }
  const retryAfter = headerOf(headers, 'retry-after')
  if (retryAfter !== undefined && WITH_RETRY_AFTER.has(status)) {
    const waitMs = retryAfterMs(retryAfter, Date.now())
    if (waitMs !== undefined) fault.retryAfterMs = waitMs
  }
  return fault
}

function adviceFor({ status, headers }: Response): string {
  const location = headerOf(headers, 'location')
  if (status < 400 && location !== undefined) {
    return `; redirects are not followed: give the address that it leads to (${printable(location)})`
  }
  return '; only 404, 408, 409, 429 and 5xx are tried again'
}

function timeoutFault(connected: boolean, { subscriber, dest, timeoutMs }: Asked): Fault {
  const what = connected ? 'had not answered' : 'could not be connected to'
  return {
    code: 'FN_SUBSCRIBER_TIMEOUT',
    class: 'Timeout',
    message: `${subscriber} ${what} within ${timeoutMs} ms (\`delivery.timeout\`)`,
    response: { dest },
  }
}

function brokenFault(error: Error, status: number | undefined, asked: Asked): Fault {
  const began = status === undefined ? '' : `, in the middle of its answer ${status}`
  return {
    code: 'FN_SUBSCRIBER_UNREACHABLE',
    class: 'Unreachable',
    message: `${asked.subscriber} could not be reached${began}: ${printable(reasonOf(error))}`,
    response: { dest: asked.dest },
  }
}

/** What the system said, which undici may carry as a cause, and Node for each address that it tried. */
function reasonOf(error: Error): string {
  const each = error instanceof AggregateError ? (error.errors as unknown[]) : [error]
  const texts = each.map((one) => (one instanceof Error ? one.message : String(one)))
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${texts.join(', ')}${cause}`
}

function replied(response: Response, asked: Asked): Outcome {
  const { headers, body, status } = response
  // With no body, an event would be in the headers alone.
  if (body.length === 0 && !hasEventHeaders(headers)) return { replies: [] }
  const encoding = headerOf(headers, 'content-encoding')
  if (body.length > 0 && encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    const problem = `its body is encoded as ${printable(encoding)}, which was not asked for`
    return { fault: invalidReply(problem, response, asked) }
  }
  let decoded: DecodedHttp
  try {
    decoded = decodeHttp(headers, body)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return { fault: invalidReply(error.message, response, asked) }
  }
  const [event] = decoded.events
  if (decoded.mode === 'batch' || event === undefined) {
    const problem = 'it is a batch; answer with one event'
    return { fault: invalidReply(problem, response, asked) }
  }
  const bytes = event.data?.bytes.length ?? 0
  if (bytes > asked.maxReplyBytes) {
    return { fault: tooLargeFault(status, `${bytes} bytes`, asked) }
  }
  return { replies: [event] }
}

function hasEventHeaders(headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length > 3 && name.slice(0, 3).toLowerCase() === 'ce-') return true
  }
  return false
}

function invalidReply(problem: string, response: Response, asked: Asked): Fault {
  return {
    code: 'FN_SUBSCRIBER_INVALID_REPLY',
    class: 'InvalidReply',
    message: `${asked.subscriber} answered ${statusText(response)} with what is no event: ${problem}. An empty body means no reply`,
    response: responseOf(response, asked),
  }
}

function tooLargeFault(status: number, size: string, asked: Asked): Fault {
  return {
    code: 'FN_HANDLER_REPLY_TOO_LARGE',
    class: 'ReplyTooLarge',
    message: `${asked.subscriber} answered with a reply of ${size}; its data may have ${asked.maxReplyBytes}. Put large data elsewhere and reply with a reference to it`,
    response: { dest: asked.dest, status },
  }
}

const MAX_BODY_BYTES = 1_024

function responseOf({ status, headers, body }: Response, { dest }: Asked): FaultResponse {
  const response: FaultResponse = { dest, status }
  if (body.length > 0) response.body = body.toString('base64', 0, MAX_BODY_BYTES)
  const extensions = errorExtensions(headers)
  if (extensions !== undefined) response.extensions = extensions
  return response
}

function statusText({ status, reason }: Response): string {
  const text = printable(reason === '' ? (STATUS_CODES[status] ?? '') : reason)
  return text === '' ? String(status) : `${status} ${text}`
}

/** The beginning of a body that is text. */
function excerpt({ body }: Response): string {
  const text = printable(body.toString('utf8'))
  return text === '' || text.includes('\ufffd') ? '' : `: ${text}`
}

const MAX_PRINTED = 200

/** One line of a log, whatever a stranger wrote. */
function printable(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim()
  return line.length > MAX_PRINTED ? `${line.slice(0, MAX_PRINTED)}…` : line
}
