import { isUtf8 } from 'node:buffer'
import type { EventData } from '../contract/event.ts'
import { dataKindOf } from './media-type.ts'

/** Data of a binary-mode message or of `data_base64`: the kind its content type and its bytes allow. */
export function eventData(datacontenttype: string | undefined, bytes: Buffer): EventData {
  const kind = dataKindOf(datacontenttype)
  return { kind: kind === 'binary' || isUtf8(bytes) ? kind : 'binary', bytes }
}

/**
 * The content type under which data goes into a binding that has no implied one. JSON format 3.1.2: data
 * that was JSON because nothing else was said becomes `application/json` explicitly; binary data without
 * a type stays without.
 */
export function explicitContentType(
  datacontenttype: string | undefined,
  data: EventData | undefined,
): string | undefined {
  return datacontenttype ?? (data?.kind === 'json' ? 'application/json' : undefined)
}
