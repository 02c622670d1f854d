const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Whether the text is an RFC 3339 timestamp (section 5.6): `2026-01-02T03:04:05.678+02:00`. `T` and `Z`
 * may be lower case, a second may be 60, fractions may have any length. By hand, because it runs for
 * every event and a regular expression with groups costs three times as much.
 */
export function isTimestamp(text: string): boolean {
  // The shortest form is 2026-01-02T03:04:05Z.
  if (text.length < 20) return false
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 2)
  const day = digits(text, 8, 2)
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return false
  if ((text.charCodeAt(10) | 0x20) !== 0x74) return false
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a) return false
  if (!within(digits(text, 11, 2), 23) || !within(digits(text, 14, 2), 59)) return false
  return within(digits(text, 17, 2), 60) && isOffset(text, fractionEnd(text, 19))
}

function fractionEnd(text: string, at: number): number {
  if (text.charCodeAt(at) !== 0x2e) return at
  let end = at + 1
  while (isDigit(text.charCodeAt(end))) end++
  // A point without digits is no fraction; the offset check then fails on the point.
  return end === at + 1 ? at : end
}

/** `Z` or `+hh:mm`, and nothing after it. */
function isOffset(text: string, at: number): boolean {
  const sign = text.charCodeAt(at)
  if ((sign | 0x20) === 0x7a) return text.length === at + 1
  if (sign !== 0x2b && sign !== 0x2d) return false
  if (text.length !== at + 6 || text.charCodeAt(at + 3) !== 0x3a) return false
  return within(digits(text, at + 1, 2), 23) && within(digits(text, at + 4, 2), 59)
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && !leap ? 28 : (DAYS[month - 1] ?? 0)
}

/** The number that these digits write, or -1. */
function digits(text: string, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return -1
    value = value * 10 + code - 0x30
  }
  return value
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function within(value: number, most: number): boolean {
  return value >= 0 && value <= most
}
