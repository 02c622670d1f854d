/**
 * Attribute values in HTTP headers: HTTP binding 1.0, section 3.1.3.2.
 */
import { isUtf8 } from 'node:buffer'
import { invalidEvent, shown } from './event-error.ts'

/** Space, double quote, percent, and all outside U+0021-007E; a surrogate pair is one character. */
const ENCODED = /[^\x21\x23\x24\x26-\x7e]+/gu
const NEEDS_ENCODING = /[^\x21\x23\x24\x26-\x7e]/

export function encodeHeaderText(text: string): string {
  if (!NEEDS_ENCODING.test(text)) return text
  return text.replace(ENCODED, (run) =>
    Buffer.from(run).toString('hex').toUpperCase().replace(/../g, '%$&'),
  )
}

/**
 * Unquotes a value that is one quoted string, then undoes one round of percent-encoding. Several SDKs
 * send values unencoded, so a `%` without two hexadecimal digits, a space and a lone quote stand for
 * themselves, and raw bytes above ASCII are read as UTF-8 (`value` has one character a byte, as Node's
 * parser gives it). Throws `FN_EVENT_INVALID` where the bytes are not UTF-8.
 */
export function decodeHeaderText(name: string, value: string): string {
  if (PLAIN.test(value)) return value
  return percentDecode(name, unquote(rawText(name, value)))
}

/** Printable ASCII without `%`, and not quoted. */
const PLAIN = /^(?!")[\x20-\x24\x26-\x7e]*$/
const ASCII = /^\p{ASCII}*$/u
const QUOTED = /^"(?:[^"\\]|\\.)*"$/s

function rawText(name: string, value: string): string {
  if (ASCII.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  const isByteString = bytes.toString('latin1') === value
  if (!isByteString || !isUtf8(bytes)) throw notUtf8(name, value)
  return bytes.toString('utf8')
}

function unquote(value: string): string {
  return QUOTED.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value
}

function percentDecode(name: string, value: string): string {
  return value.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    const bytes = Buffer.from(run.replaceAll('%', ''), 'hex')
    if (!isUtf8(bytes)) throw notUtf8(name, value)
    return bytes.toString('utf8')
  })
}

function notUtf8(name: string, value: string): Error {
  return invalidEvent(
    `Header ${name} is ${shown(value)}, which is not UTF-8; percent-encode its UTF-8 bytes`,
  )
}
