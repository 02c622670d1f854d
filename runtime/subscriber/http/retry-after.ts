/** The Retry-After header: RFC 9110, section 10.2.3. */

/** A year; a longer wait would be no retry. */
const MAX_SECONDS = 31_536_000

/** Milliseconds from `now`, 0 for a time that has passed; undefined for what is no Retry-After. */
export function retryAfterMs(header: string, now: number): number | undefined {
  const text = header.trim()
  if (/^\d+$/.test(text)) return Math.min(Number(text), MAX_SECONDS) * 1_000
  const at = httpDate(text, now)
  if (at === undefined) return undefined
  return Math.min(Math.max(at - now, 0), MAX_SECONDS * 1_000)
}

const TIME = '(\\d{2}):(\\d{2}):(\\d{2})'
/** Section 5.6.7: the one to write, and the two old ones that must be read. */
const FORMS = [
  new RegExp(`^[A-Z][a-z]{2}, (?<d>\\d{2}) (?<m>[A-Z][a-z]{2}) (?<y>\\d{4}) (?<t>${TIME}) GMT$`),
  new RegExp(`^[A-Z][a-z]+day, (?<d>\\d{2})-(?<m>[A-Z][a-z]{2})-(?<y>\\d{2}) (?<t>${TIME}) GMT$`),
  new RegExp(`^[A-Z][a-z]{2} (?<m>[A-Z][a-z]{2}) (?<d>[ \\d]\\d) (?<t>${TIME}) (?<y>\\d{4})$`),
]

function httpDate(text: string, now: number): number | undefined {
  for (const form of FORMS) {
    const found = form.exec(text)?.groups
    if (found === undefined) continue
    const { d = '', m = '', y = '', t = '' } = found
    const year = y.length === 2 ? fullYear(Number(y), now) : y
    const at = Date.parse(`${d.trim()} ${m} ${year} ${t} GMT`)
    return Number.isNaN(at) ? undefined : at
  }
  return undefined
}

/** What seems more than 50 years away is the last year with these digits. */
function fullYear(digits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + digits
  return year > thisYear + 50 ? year - 100 : year
}
