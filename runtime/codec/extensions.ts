/**
 * The documented extensions of CloudEvents 1.0 (`cloudevents/extensions/*.md`), as far as their rules can
 * be checked on one event. An event that breaks them is still a CloudEvent: whoever can tell its sender
 * refuses it, and whoever cannot takes the extension for absent.
 */
import type { Attributes, AttributeValue } from '../contract/event.ts'
import { checkGivenAttributes, isAbsoluteUri, unfit } from './attributes.ts'
import { timestampMs } from './timestamp.ts'

type Given = Readonly<Record<string, AttributeValue | undefined>>

/**
 * Throws `FN_EVENT_INVALID` for the first extension that breaks its own rule. An Integer where a String
 * belongs counts as its text, for that is what headers make of it. Nothing is looked at in attributes
 * that `known` has as well.
 */
export function checkExtensions(attributes: Given, known: Given = {}): void {
  for (const name of NAMES) {
    const value = attributes[name]
    if (value === undefined || value === known[name]) continue
    const expected = RULES[name](value)
    if (expected !== undefined) throw unfit(name, value, expected)
  }
  const { deprecationfrom: from, deprecationsunset: sunset } = attributes
  if (from === undefined || sunset === undefined) return
  if ((timestampMs(sunset) ?? 0) < (timestampMs(from) ?? 0)) {
    throw unfit('deprecationsunset', sunset, `a time that is not before deprecationfrom, ${from}`)
  }
}

/**
 * What a handler gave as attributes, which are not yet a whole event. An extension that came so with its
 * cause is not the handler's doing, and passes.
 */
export function checkReplyAttributes(given: Given, cause: Readonly<Attributes>): void {
  checkGivenAttributes(given)
  checkExtensions(given, cause)
}

/** Whether the event asks to be discarded by now; one whose `expirytime` cannot be read does not. */
export function isExpired({ expirytime }: Readonly<Attributes>, nowMs: number): boolean {
  if (expirytime === undefined) return false
  const expiresAt = timestampMs(expirytime)
  return expiresAt !== undefined && expiresAt <= nowMs
}

/** What the extension wants, or undefined where the value meets it. */
type Rule = (value: AttributeValue) => string | undefined

const notEmpty: Rule = (value) => (value === '' ? 'a string that is not empty' : undefined)
const timestamp: Rule = (value) =>
  timestampMs(value) === undefined
    ? 'an RFC 3339 timestamp such as 2026-01-02T03:04:05Z'
    : undefined

const RULES = {
  traceparent: notEmpty,
  partitionkey: notEmpty,
  sequence: notEmpty,
  sampledrate: (value) =>
    /^0*[1-9]\d*$/.test(String(value)) && Number(value) <= 2_147_483_647
      ? undefined
      : 'an integer greater than 0',
  expirytime: timestamp,
  recordedtime: timestamp,
  dataref: notEmpty,
  deprecated: (value) => (String(value) === 'true' ? undefined : 'true'),
  deprecationfrom: timestamp,
  deprecationsunset: timestamp,
  deprecationmigration: (value) =>
    isAbsoluteUri(value) ? undefined : 'an absolute URI such as https://example.com/migration',
} as const satisfies Record<string, Rule>

const NAMES = Object.keys(RULES) as Array<keyof typeof RULES>
