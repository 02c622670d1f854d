/** Base64 and UTF-8 between strings and bytes, in plain JavaScript: an isolate has no Buffer. */
import {
  NativeUint8Array,
  charCodeAt,
  defineProperty,
  fromCharCode,
  reflectApply,
  slice,
  typedArrayLength,
} from './kernel-intrinsics.isolate.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PAD = 61
const CHUNK = 3 * 1_024

const codeOf = new NativeUint8Array(64)
const valueOf = new NativeUint8Array(128)
for (let index = 0; index < 64; index++) {
  const code = charCodeAt(ALPHABET, index)
  codeOf[index] = code
  valueOf[code] = index
}

export function bytesToBase64(bytes: Uint8Array, length: number): string {
  let text = ''
  for (let start = 0; start < length; start += CHUNK) {
    const end = start + CHUNK < length ? start + CHUNK : length
    text += encodeChunk(bytes, start, end)
  }
  return text
}

function encodeChunk(bytes: Uint8Array, start: number, end: number): string {
  const codes = new NativeUint8Array(groupsOf3(end - start) * 4)
  let at = 0
  for (let index = start; index < end; index += 3) {
    const second = index + 1 < end
    const third = index + 2 < end
    const bits =
      ((bytes[index] as number) << 16) |
      ((second ? (bytes[index + 1] as number) : 0) << 8) |
      (third ? (bytes[index + 2] as number) : 0)
    codes[at++] = codeOf[bits >> 18] as number
    codes[at++] = codeOf[(bits >> 12) & 63] as number
    codes[at++] = second ? (codeOf[(bits >> 6) & 63] as number) : PAD
    codes[at++] = third ? (codeOf[bits & 63] as number) : PAD
  }
  return codesToString(codes)
}

/** `codes` are below 256. At most a few thousand of them: they become arguments. */
export function codesToString(codes: Uint8Array): string {
  // An own length: the inherited getter may have been replaced.
  defineProperty(codes, 'length', { value: typedArrayLength(codes) })
  return reflectApply(fromCharCode, undefined, codes as unknown as number[])
}

/** Canonical base64 with padding, as the supervisor and `bytesToBase64` write it. */
export function base64ToBytes(text: string): Uint8Array {
  const padding = slice(text, -2) === '==' ? 2 : slice(text, -1) === '=' ? 1 : 0
  const length = (text.length / 4) * 3 - padding
  const bytes = new NativeUint8Array(length)
  let at = 0
  for (let index = 0; index < text.length; index += 4) {
    const bits =
      (valueAt(text, index) << 18) |
      (valueAt(text, index + 1) << 12) |
      (valueAt(text, index + 2) << 6) |
      valueAt(text, index + 3)
    bytes[at++] = bits >> 16
    if (at < length) bytes[at++] = (bits >> 8) & 255
    if (at < length) bytes[at++] = bits & 255
  }
  return bytes
}

function valueAt(text: string, index: number): number {
  return valueOf[charCodeAt(text, index) & 127] as number
}

function groupsOf3(length: number): number {
  return ((length + 2) / 3) | 0
}
