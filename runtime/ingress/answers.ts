/** How the ingress says no: a status, and `{ "error": { "code", "message" } }`. */
import type { FastifyReply } from 'fastify'
import { isMillraceError, type ErrorCode } from '../errors.ts'

/** For 429 and 503. Both pass when an append ends, which takes well under a second. */
const RETRY_AFTER_SECONDS = '1'

/** `docs/reference/ingress.md` is held equal to this table by a test. */
export const STATUS_OF_REFUSAL = {
  FN_HTTP_MALFORMED: 400,
  FN_EVENT_INVALID: 400,
  FN_EVENT_SCHEMA: 400,
  FN_HTTP_NOT_FOUND: 404,
  FN_HTTP_METHOD_NOT_ALLOWED: 405,
  FN_EVENT_TOO_LARGE: 413,
  FN_EVENT_UNSUPPORTED_MEDIA_TYPE: 415,
  FN_INGRESS_BUSY: 429,
  FN_HTTP_INTERNAL: 500,
  FN_BROKER_APPEND_FAILED: 503,
  FN_BROKER_UNAVAILABLE: 503,
  FN_INGRESS_DRAINING: 503,
} as const satisfies Partial<Record<ErrorCode, number>>

export type RefusalCode = keyof typeof STATUS_OF_REFUSAL

export interface Refusal {
  code: RefusalCode
  message: string
}

export function refuse(reply: FastifyReply, { code, message }: Refusal): void {
  const status = STATUS_OF_REFUSAL[code]
  if (status === 429 || status === 503) void reply.header('retry-after', RETRY_AFTER_SECONDS)
  void reply.code(status).type('application/json').send(refusalBody({ code, message }))
}

export function refusalBody(refusal: Refusal): string {
  return JSON.stringify({ error: refusal })
}

/** Answers an error that was thrown; `unforeseen` hears of those that are our own fault. */
export function answerError(
  error: unknown,
  reply: FastifyReply,
  unforeseen: (error: unknown) => void,
): void {
  if (isMillraceError(error) && isRefusalCode(error.code)) {
    refuse(reply, { code: error.code, message: error.message })
  } else if (isInvalidContentType(error)) {
    refuse(reply, {
      code: 'FN_EVENT_UNSUPPORTED_MEDIA_TYPE',
      message: 'the Content-Type is not a media type such as application/json (RFC 2046)',
    })
  } else {
    unforeseen(error)
    refuse(reply, { code: 'FN_HTTP_INTERNAL', message: 'Millrace failed; its log says why' })
  }
}

/** What the log did not take is not lost but unsure: the sender has to send it again. */
export function answerAppendFailure(error: Error, reply: FastifyReply): void {
  if (isMillraceError(error, 'FN_EVENT_TOO_LARGE')) {
    refuse(reply, { code: 'FN_EVENT_TOO_LARGE', message: error.message })
  } else {
    const message = `the log did not take the event, send it again: ${error.message}`
    refuse(reply, { code: 'FN_BROKER_APPEND_FAILED', message })
  }
}

function isRefusalCode(code: ErrorCode): code is RefusalCode {
  return Object.hasOwn(STATUS_OF_REFUSAL, code)
}

/** fastify looks at the header before any parser of ours can. */
function isInvalidContentType(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE'
}
