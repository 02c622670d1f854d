/**
 * What a subscriber says about its failure in `kne-` headers, as attributes for the dead letter: so does
 * Knative's Kafka broker (eventing-kafka-broker, `RecordDispatcherImpl`).
 */
import { isUtf8 } from 'node:buffer'
import { checkGivenAttributes } from '../../codec/attributes.ts'
import { isMillraceError } from '../../errors.ts'

const PREFIX = 'kne-'
const MAX_COUNT = 16
const MAX_BYTES = 4_096
/** They say what the event is, and a dead letter is the event as it was. */
const OF_THE_EVENT: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'dataschema',
  'datacontenttype',
  'partitionkey',
])

/**
 * `headers` as `rawHeaders` of Node: name, value, …, one character a byte. What may not be an attribute,
 * and what comes after the first 16 or beyond 4 KiB, is left out.
 */
export function errorExtensions(headers: readonly string[]): Record<string, string> | undefined {
  const extensions = new Map<string, string>()
  let bytes = 0
  for (let i = 0; i < headers.length && extensions.size < MAX_COUNT; i += 2) {
    const header = (headers[i] as string).toLowerCase()
    if (!header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    const value = attributeText(name, headers[i + 1] ?? '')
    if (value === undefined || extensions.has(name)) continue
    bytes += name.length + Buffer.byteLength(value)
    if (bytes > MAX_BYTES) break
    extensions.set(name, value)
  }
  return extensions.size === 0 ? undefined : Object.fromEntries(extensions)
}

function attributeText(name: string, header: string): string | undefined {
  if (OF_THE_EVENT.has(name)) return undefined
  const bytes = Buffer.from(header, 'latin1')
  if (!isUtf8(bytes)) return undefined
  const value = bytes.toString()
  try {
    checkGivenAttributes({ [name]: value })
    return value
  } catch (error) {
    if (isMillraceError(error)) return undefined
    throw error
  }
}
