/**
 * Media types (RFC 2046) as CloudEvents uses them: `datacontenttype`, and the types that mark an event
 * in structured or batched mode.
 */
import type { DataKind } from '../contract/event.ts'

export const JSON_EVENT_TYPE = 'application/cloudevents+json'
export const JSON_BATCH_TYPE = 'application/cloudevents-batch+json'

/** How a message with this content type carries its event. */
export type ContentMode = 'binary' | 'structured' | 'batch' | 'unsupported'

export interface MediaType {
  /** `type/subtype` in lower case. */
  essence: string
  /** Lower-case names; values as written, without their quotes. */
  parameters: ReadonlyMap<string, string>
  kind: DataKind
  mode: ContentMode
}

/** Real streams carry a handful of types; the bound is against a sender that makes them up. */
const MAX_CACHED = 256

const cache = new Map<string, MediaType | undefined>()

/** Reads a media type, or `undefined` where the text is none. Answers are cached by the raw text. */
export function mediaType(text: string): MediaType | undefined {
  const known = cache.get(text)
  if (known !== undefined || cache.has(text)) return known
  const parsed = parse(text)
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(text, parsed)
  return parsed
}

/**
 * How data of this content type is understood, as long as its bytes are UTF-8 (`eventData` checks).
 * No content type, or one that is no media type: `binary`.
 */
export function dataKindOf(datacontenttype: string | undefined): DataKind {
  if (datacontenttype === undefined) return 'binary'
  return mediaType(datacontenttype)?.kind ?? 'binary'
}

/**
 * How a message of this content type carries its event: HTTP binding 3, Kafka binding 3. Decided by
 * prefix and in any case, so that a damaged CloudEvents type is not taken for data.
 */
export function contentModeOf(contentType: string | undefined): ContentMode {
  if (contentType === undefined) return 'binary'
  const mode = mediaType(contentType)?.mode
  if (mode !== undefined) return mode
  return /^\s*application\/cloudevents/i.test(contentType) ? 'unsupported' : 'binary'
}

/** Equal by RFC 2046: type and parameter names in any case, parameters in any order. */
export function sameMediaType(left: string, right: string): boolean {
  if (left === right) return true
  const a = mediaType(left)
  const b = mediaType(right)
  if (!a || !b || a.essence !== b.essence || a.parameters.size !== b.parameters.size) return false
  for (const [name, value] of a.parameters) {
    const other = b.parameters.get(name)
    if (other === undefined) return false
    // Charset names are the one parameter value that RFC 2046 declares case-insensitive.
    const same = name === 'charset' ? other.toLowerCase() === value.toLowerCase() : other === value
    if (!same) return false
  }
  return true
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const ESSENCE = new RegExp(`^[ \\t]*(${TOKEN}/${TOKEN})[ \\t]*(?=;|$)`)
/** An empty parameter (`text/plain;`) means nothing, but occurs. */
const PARAMETER = new RegExp(
  `;[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\x20-\\x7e])*)")[ \\t]*)?(?=;|$)`,
  'y',
)

function parse(text: string): MediaType | undefined {
  const match = ESSENCE.exec(text)
  if (!match?.[1]) return undefined
  const essence = match[1].toLowerCase()
  const parameters = new Map<string, string>()
  let at = match[0].length
  while (at < text.length) {
    PARAMETER.lastIndex = at
    const parameter = PARAMETER.exec(text)
    if (!parameter) return undefined
    const [whole, name, token, quoted] = parameter
    if (name !== undefined) {
      parameters.set(name.toLowerCase(), token ?? quoted?.replace(/\\(.)/g, '$1') ?? '')
    }
    at += whole.length
  }
  return { essence, parameters, kind: kindOf(essence, parameters), mode: modeOf(essence) }
}

function modeOf(essence: string): ContentMode {
  if (!essence.startsWith('application/cloudevents')) return 'binary'
  if (essence === JSON_EVENT_TYPE) return 'structured'
  if (essence === JSON_BATCH_TYPE) return 'batch'
  return 'unsupported'
}

const TEXT_SUBTYPES = new Set([
  'ecmascript',
  'graphql',
  'javascript',
  'jsonl',
  'ndjson',
  'sql',
  'toml',
  'x-javascript',
  'x-ndjson',
  'x-www-form-urlencoded',
  'x-yaml',
  'xml',
  'yaml',
])

function kindOf(essence: string, parameters: ReadonlyMap<string, string>): DataKind {
  const slash = essence.indexOf('/')
  const subtype = essence.slice(slash + 1)
  // JSON format 3.1.1: `*/json` or `*/*+json`. JSON is UTF-8 whatever a charset parameter says.
  if (subtype === 'json' || subtype.endsWith('+json')) return 'json'
  const text =
    essence.startsWith('text/') ||
    TEXT_SUBTYPES.has(subtype) ||
    subtype.endsWith('+xml') ||
    subtype.endsWith('+yaml')
  return text && isUtf8Charset(parameters.get('charset')) ? 'text' : 'binary'
}

/** Text in another charset may happen to be valid UTF-8 and would be misread, so it stays bytes. */
function isUtf8Charset(charset: string | undefined): boolean {
  return charset === undefined || /^(utf-?8|us-ascii|ascii)$/i.test(charset)
}
