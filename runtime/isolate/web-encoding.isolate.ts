/** `TextEncoder`, `TextDecoder` (UTF-8 only), `atob` and `btoa`, by the WHATWG standards. */
import {
  NativeRangeError,
  NativeTypeError,
  NativeUint8Array,
  charCodeAt,
  fromCharCode,
  indexOf,
  slice,
  toLowerCase,
  trim,
  typedArrayLength,
} from './kernel-intrinsics.isolate.ts'
import { base64ToBytes, bytesToBase64, codesToString } from './kernel-base64.isolate.ts'
import { setGlobal } from './kernel-jail.isolate.ts'
import { DOMException } from './web-abort.isolate.ts'

const REPLACEMENT = '\ufffd'
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    const text = `${input as string}`
    const bytes = new NativeUint8Array(text.length * 3)
    let at = 0
    for (let index = 0; index < text.length; index++) {
      let code = charCodeAt(text, index)
      if (code >= 0xd800 && code < 0xe000) {
        const low = index + 1 < text.length ? charCodeAt(text, index + 1) : 0
        if (code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
          index++
        } else {
          code = 0xfffd
        }
      }
      if (code < 0x80) {
        bytes[at++] = code
      } else if (code < 0x800) {
        bytes[at++] = 0xc0 | (code >> 6)
        bytes[at++] = 0x80 | (code & 63)
      } else if (code < 0x10000) {
        bytes[at++] = 0xe0 | (code >> 12)
        bytes[at++] = 0x80 | ((code >> 6) & 63)
        bytes[at++] = 0x80 | (code & 63)
      } else {
        bytes[at++] = 0xf0 | (code >> 18)
        bytes[at++] = 0x80 | ((code >> 12) & 63)
        bytes[at++] = 0x80 | ((code >> 6) & 63)
        bytes[at++] = 0x80 | (code & 63)
      }
    }
    return bytes.slice(0, at)
  }
}

class TextDecoder {
  readonly #fatal: boolean
  readonly #ignoreBOM: boolean

  constructor(label = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const name = toLowerCase(trim(`${label}`))
    if (name !== 'utf-8' && name !== 'utf8' && name !== 'unicode-1-1-utf-8') {
      throw new NativeRangeError(`only utf-8 is available, not ${label}`)
    }
    this.#fatal = options.fatal === true
    this.#ignoreBOM = options.ignoreBOM === true
  }

  get encoding(): string {
    return 'utf-8'
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBOM
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string {
    if (options?.stream === true) throw new NativeTypeError('streaming is not available')
    if (input === undefined) return ''
    const bytes = viewOf(input)
    const skip =
      !this.#ignoreBOM && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
    return decodeUtf8(bytes, skip, this.#fatal)
  }
}

function viewOf(input: ArrayBuffer | ArrayBufferView): Uint8Array {
  return 'byteOffset' in input
    ? new NativeUint8Array(input.buffer, input.byteOffset, input.byteLength)
    : new NativeUint8Array(input)
}

/** Encoding Standard, "UTF-8 decoder": one replacement character for each maximal invalid part. */
function decodeUtf8(bytes: Uint8Array, start: number, fatal: boolean): string {
  const length = typedArrayLength(bytes)
  let text = ''
  let at = start
  while (at < length) {
    const first = bytes[at++] as number
    if (first < 0x80) {
      text += fromCharCode(first)
      continue
    }
    const needed = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0
    let code = needed === 1 ? first & 31 : needed === 2 ? first & 15 : first & 7
    let seen = 0
    let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
    let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
    while (seen < needed && at < length) {
      const byte = bytes[at] as number
      if (byte < low || byte > high) break
      code = (code << 6) | (byte & 63)
      low = 0x80
      high = 0xbf
      at++
      seen++
    }
    if (needed === 0 || seen < needed) {
      if (fatal) throw new NativeTypeError('the bytes are not valid UTF-8')
      text += REPLACEMENT
    } else if (code >= 0x10000) {
      text += fromCharCode(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff))
    } else {
      text += fromCharCode(code)
    }
  }
  return text
}

/** HTML Standard, "btoa". */
function btoa(data: unknown): string {
  const text = `${data as string}`
  const bytes = new NativeUint8Array(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = charCodeAt(text, index)
    if (code > 255) {
      throw new DOMException('a character is outside the Latin1 range', 'InvalidCharacterError')
    }
    bytes[index] = code
  }
  return bytesToBase64(bytes, text.length)
}

/** HTML Standard, "atob": forgiving base64. */
function atob(data: unknown): string {
  const source = `${data as string}`
  let text = ''
  for (let index = 0; index < source.length; index++) {
    const code = charCodeAt(source, index)
    if (code === 32 || code === 9 || code === 10 || code === 12 || code === 13) continue
    text += fromCharCode(code)
  }
  if (text.length % 4 === 0 && text !== '') {
    if (slice(text, -2) === '==') text = slice(text, 0, -2)
    else if (slice(text, -1) === '=') text = slice(text, 0, -1)
  }
  let valid = text.length % 4 !== 1
  for (let index = 0; valid && index < text.length; index++) {
    valid = indexOf(BASE64, slice(text, index, index + 1)) >= 0
  }
  if (!valid) throw new DOMException('the text is not valid base64', 'InvalidCharacterError')
  const padding = text.length % 4 === 2 ? '==' : text.length % 4 === 3 ? '=' : ''
  const bytes = base64ToBytes(text + padding)
  let binary = ''
  for (let start = 0; start < typedArrayLength(bytes); start += 4_096) {
    binary += codesToString(bytes.slice(start, start + 4_096))
  }
  return binary
}

export function installEncoding(): void {
  setGlobal('TextEncoder', TextEncoder)
  setGlobal('TextDecoder', TextDecoder)
  setGlobal('atob', atob)
  setGlobal('btoa', btoa)
}
