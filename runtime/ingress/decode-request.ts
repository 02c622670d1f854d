import { checkExtensions } from '../codec/extensions.ts'
import { decodeHttp } from '../codec/http.ts'
import { encodeRecord } from '../codec/record.ts'
import type { AppendRecord } from '../contract/broker.ts'
import type { Event } from '../contract/event.ts'
import { isMillraceError, MillraceError } from '../errors.ts'
import { recordBytes } from './record-size.ts'

export interface DecodedRequest {
  records: AppendRecord[]
  /** The bytes of all records. */
  bytes: number
}

/** Throws a `MillraceError` for an event that is not to be taken. */
export type EventCheck = (event: Event) => void

export interface DecodeOptions {
  topic: string
  maxEventBytes: number
  check?: EventCheck | undefined
}

/**
 * The records of a request. Throws `FN_EVENT_INVALID`, `FN_EVENT_UNSUPPORTED_MEDIA_TYPE`, or
 * `FN_EVENT_TOO_LARGE` for an event whose record is too large, or what `check` throws.
 */
export function decodeRequest(
  rawHeaders: readonly string[],
  body: Buffer,
  { topic, maxEventBytes, check }: DecodeOptions,
): DecodedRequest {
  let bytes = 0
  const { mode, events } = decodeHttp(rawHeaders, body)
  if (check !== undefined) checkAll(events, check, mode === 'batch')
  const records = events.map((event) => {
    checkExtensions(event.attributes)
    const record = encodeRecord(event, topic)
    const size = recordBytes(record)
    if (size > maxEventBytes) throw tooLarge(size, maxEventBytes)
    bytes += size
    return record
  })
  return { records, bytes }
}

function checkAll(events: readonly Event[], check: EventCheck, isBatch: boolean): void {
  for (const [index, event] of events.entries()) {
    try {
      check(event)
    } catch (error) {
      if (!isBatch || !isMillraceError(error)) throw error
      throw new MillraceError(error.code, `event ${index} of the batch: ${error.message}`, {
        cause: error,
      })
    }
  }
}

function tooLarge(bytes: number, maxEventBytes: number): MillraceError {
  return new MillraceError(
    'FN_EVENT_TOO_LARGE',
    `an event makes a record of ${bytes} bytes, and at most ${maxEventBytes} are taken; put the data elsewhere and its address into dataref`,
  )
}
