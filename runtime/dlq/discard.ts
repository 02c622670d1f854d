/** Marks dead letters as not needed, with the reason. The letters themselves stay until they expire. */
import type { Log } from '../contract/log-access.ts'
import { closedText, closeLetters, type Skipped } from './close-letters.ts'
import type { Letter } from './letter.ts'
import { selectLetters, type Selection } from './select.ts'

export interface DiscardOptions {
  reason: string
  dryRun?: boolean
}

export interface DiscardResult {
  selected: number
  /** In a dry run: those that would be. */
  discarded: Letter[]
  skipped: Skipped[]
}

export async function discardLetters(
  log: Log,
  selection: Selection,
  { reason, dryRun }: DiscardOptions,
): Promise<DiscardResult> {
  const result: DiscardResult = { selected: 0, discarded: [], skipped: [] }
  for (const { topic, selected, states } of await selectLetters(log.reader, selection)) {
    result.selected += selected.length
    const open: Letter[] = []
    for (const letter of selected) {
      const state = states.of(letter.ref)
      if (state === undefined) open.push(letter)
      else result.skipped.push({ ref: letter.ref, reason: closedText(state) })
    }
    if (dryRun) {
      result.discarded.push(...open)
      continue
    }
    const at = new Date().toISOString()
    const done = await closeLetters(open, {
      log,
      topic,
      states,
      change: async () => ({ records: [], state: { state: 'discarded', at, reason } }),
    })
    result.discarded.push(...done.closed)
    result.skipped.push(...done.skipped)
  }
  return result
}
