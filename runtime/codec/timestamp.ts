/** RFC 3339 section 5.6; whether a year has its 29th of February is looked at apart. */
const TIMESTAMP = new RegExp(
  '^[0-9]{4}-' +
    '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])' +
    '|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)' +
    '|02-(?:0[1-9]|[12][0-9]))' +
    '[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?' +
    '(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$',
)

/**
 * Whether the text is an RFC 3339 timestamp such as `2026-01-02T03:04:05.678+02:00`. `T` and `Z` may be
 * lower case, a second may be 60, fractions may have any length.
 */
export function isTimestamp(text: string): boolean {
  if (!TIMESTAMP.test(text)) return false
  return !text.startsWith('02-29', 5) || isLeapYear(Number(text.slice(0, 4)))
}

/**
 * The time as milliseconds since the epoch; undefined for what is no timestamp. A leap second is the one
 * that follows it.
 */
export function timestampMs(value: unknown): number | undefined {
  if (typeof value !== 'string' || !isTimestamp(value)) return undefined
  const isLeapSecond = value.startsWith(':60', 16)
  const ordinary = isLeapSecond ? `${value.slice(0, 16)}:59${value.slice(19)}` : value
  return Date.parse(ordinary.toUpperCase()) + (isLeapSecond ? 1_000 : 0)
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}
