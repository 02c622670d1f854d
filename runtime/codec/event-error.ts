import { MillraceError } from '../errors.ts'

const MAX_SHOWN_LENGTH = 60

export function invalidEvent(message: string, cause?: unknown): MillraceError {
  return new MillraceError('FN_EVENT_INVALID', message, cause === undefined ? {} : { cause })
}

export function unsupportedMediaType(message: string): MillraceError {
  return new MillraceError('FN_EVENT_UNSUPPORTED_MEDIA_TYPE', message)
}

/** A value as an error message shows it: quoted, cut, and never longer than a line. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    const cut = value.length > MAX_SHOWN_LENGTH
    return JSON.stringify(cut ? value.slice(0, MAX_SHOWN_LENGTH) : value) + (cut ? '…' : '')
  }
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return String(value).slice(0, MAX_SHOWN_LENGTH)
}
