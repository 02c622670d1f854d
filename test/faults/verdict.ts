/** A mode's result for people, and whether it holds. */
import { ledger } from '../invariants/ledger.ts'
import type { ModeResult } from './run-mode.ts'
import { MIN_EVENTS_PER_SECOND, MIN_UNFINISHED } from './scene.ts'

export interface Verdict {
  ok: boolean
  /** Harm under less than this proves little: what was too small, with the numbers. */
  tooSmall: string[]
  /** Ends in the line of the ledger. */
  text: string
}

export function verdict({ findings, moments, books, eventsPerSecond }: ModeResult): Verdict {
  const tooSmall: string[] = []
  for (const [index, moment] of moments.entries()) {
    if (moment.unfinished < MIN_UNFINISHED) {
      tooSmall.push(`blow ${index + 1} met ${moment.unfinished} unfinished events`)
    }
    if (moment.eventsPerSecond < MIN_EVENTS_PER_SECOND) {
      tooSmall.push(`before blow ${index + 1} only ${moment.eventsPerSecond} events/s flowed`)
    }
  }
  const text = [
    `unfinished at each blow: ${moments.map((one) => one.unfinished).join(' ')}`,
    `events/s before each blow: ${moments.map((one) => one.eventsPerSecond).join(' ')}`,
    `events/s over all: ${eventsPerSecond}`,
    `books: ${books.scrapes} scrapes, ${books.problems.length} that do not add up`,
    ...books.problems.slice(0, 5),
    ...tooSmall.map((one) => `too small a load: ${one}`),
    ledger(findings),
  ].join('\n')
  return { ok: findings.ok && books.problems.length === 0, tooSmall, text }
}
