/**
 * ISO 8601 durations as Knative's `DeliverySpec` takes them (`backoffDelay`, `timeout`), to and from
 * milliseconds.
 */
import { MillraceError } from '../errors.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS

const NUMBER = String.raw`(\d+(?:[.,]\d+)?)`
const DURATION = new RegExp(
  `^P(?:${NUMBER}W)?(?:${NUMBER}D)?(?:T(?:${NUMBER}H)?(?:${NUMBER}M)?(?:${NUMBER}S)?)?$`,
)
/** A fraction anywhere but in the last number, which ISO 8601 does not allow. */
const EARLY_FRACTION = /[.,]\d+[A-Z]T?\d/
const UNITS_MS = [WEEK_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS] as const

/**
 * Milliseconds of a duration such as `PT0.2S`, `PT10M`, `P1DT2H` or `P2W`, rounded to whole ones. A day
 * has 24 hours. Throws `FN_CONFIG_INVALID`, also for years and months, which have no fixed length.
 */
export function parseDuration(text: string): number {
  if (/^P\d[^T]*[YM]/.test(text)) {
    throw invalid(text, 'years and months have no fixed length; write days, for example P30D')
  }
  const match = DURATION.exec(text)
  if (match === null || !/\d/.test(text) || text.endsWith('T')) {
    throw invalid(text, 'write for example PT1S, PT0.2S, PT10M or P1DT2H')
  }
  if (EARLY_FRACTION.test(text)) {
    throw invalid(text, 'only the last number may have a fraction')
  }
  const ms = UNITS_MS.reduce((sum, unitMs, index) => {
    const amount = match[index + 1]
    return amount === undefined ? sum : sum + Number(amount.replace(',', '.')) * unitMs
  }, 0)
  const whole = Math.round(ms)
  if (!Number.isSafeInteger(whole)) throw invalid(text, 'it is too long')
  return whole
}

/** The shortest form of whole milliseconds: `PT1S`, `PT0.2S`, `PT10M`, `P1DT2H`; `PT0S` for 0. */
export function formatDuration(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) {
    throw new MillraceError(
      'FN_CONFIG_INVALID',
      `${ms} is no duration; give whole milliseconds, 0 or more`,
    )
  }
  const days = Math.floor(ms / DAY_MS)
  const hours = Math.floor((ms % DAY_MS) / HOUR_MS)
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS)
  const seconds = (ms % MINUTE_MS) / SECOND_MS
  const date = days > 0 ? `${days}D` : ''
  const time =
    (hours > 0 ? `${hours}H` : '') +
    (minutes > 0 ? `${minutes}M` : '') +
    (seconds > 0 ? `${seconds}S` : '')
  if (time === '') return date === '' ? 'PT0S' : `P${date}`
  return `P${date}T${time}`
}

function invalid(text: string, next: string): MillraceError {
  return new MillraceError(
    'FN_CONFIG_INVALID',
    `${JSON.stringify(text)} is no ISO 8601 duration that can be used: ${next}`,
  )
}
