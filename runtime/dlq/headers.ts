/** Headers outside `ce_` of dead letters and of replayed events: what is not part of the event. */
import type { LogRecord } from '../contract/broker.ts'

export const DEAD_LETTER_HEADERS = {
  code: 'millrace-code',
  class: 'millrace-class',
  message: 'millrace-message',
  stack: 'millrace-stack',
  attempts: 'millrace-attempts',
  firstAt: 'millrace-first-at',
  lastAt: 'millrace-last-at',
  trigger: 'millrace-trigger',
  function: 'millrace-function',
  version: 'millrace-function-version',
  /** Place of the event in the broker's topic, `topic/partition/offset`; stays over all replays. */
  origin: 'millrace-origin',
  /** `ref` of the dead letter that was replayed. On replayed events, and if they fail once more. */
  replayOf: 'millrace-replay-of',
  /** `ref` of the dead letter whose data was edited. On the new dead letter and on its replay. */
  edited: 'millrace-edited',
  /** Of a flow: the step that failed, `namespace/name`. On replayed events: the step that they go to. */
  step: 'millrace-step',
  /** Names of the attributes that an HTTP subscriber added by `kne-` headers, with spaces between. */
  extensions: 'millrace-extensions',
} as const

const OWN: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS))

export function isOwnHeader(name: string): boolean {
  return OWN.has(name)
}

/** An attribute by which Knative says why an event failed. */
export function isKnativeError(attribute: string): boolean {
  return attribute.startsWith('knativeerror')
}

/** Part of the event itself: `record.ts` of the codec reads and writes it. */
export function isEventHeader(name: string): boolean {
  return name.startsWith('ce_') || name === 'content-type'
}

/** The first one of this name. */
export function headerText(record: Pick<LogRecord, 'headers'>, name: string): string | undefined {
  for (const [key, value] of record.headers) {
    if (key.length === name.length && key.toString() === name) return value?.toString()
  }
  return undefined
}
