import { checkExtensions } from '../codec/extensions.ts'
import { decodeHttp } from '../codec/http.ts'
import { encodeRecord } from '../codec/record.ts'
import type { AppendRecord } from '../contract/broker.ts'
import { MillraceError } from '../errors.ts'
import { recordBytes } from './record-size.ts'

export interface DecodedRequest {
  records: AppendRecord[]
  /** The bytes of all records. */
  bytes: number
}

/**
 * The records of a request. Throws `FN_EVENT_INVALID`, `FN_EVENT_UNSUPPORTED_MEDIA_TYPE`, or
 * `FN_EVENT_TOO_LARGE` for an event whose record is too large.
 */
export function decodeRequest(
  rawHeaders: readonly string[],
  body: Buffer,
  { topic, maxEventBytes }: { topic: string; maxEventBytes: number },
): DecodedRequest {
  let bytes = 0
  const records = decodeHttp(rawHeaders, body).events.map((event) => {
    checkExtensions(event.attributes)
    const record = encodeRecord(event, topic)
    const size = recordBytes(record)
    if (size > maxEventBytes) throw tooLarge(size, maxEventBytes)
    bytes += size
    return record
  })
  return { records, bytes }
}

function tooLarge(bytes: number, maxEventBytes: number): MillraceError {
  return new MillraceError(
    'FN_EVENT_TOO_LARGE',
    `an event makes a record of ${bytes} bytes, and at most ${maxEventBytes} are taken; put the data elsewhere and its address into dataref`,
  )
}
