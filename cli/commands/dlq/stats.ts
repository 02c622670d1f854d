/** `fn dlq stats`: how many dead letters each trigger has, and of what kind. */
import type { Command } from 'commander'
import type { Letter, LetterState } from '../../../runtime/dlq/letter.ts'
import { lettersOf } from '../../../runtime/dlq/scan.ts'
import { isSelected, topicsOf } from '../../../runtime/dlq/select.ts'
import { statesOf } from '../../../runtime/dlq/states.ts'
import { defineCommand, useLog } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, print } from '../../output.ts'
import { selectionOf, withSelectionFlags, type SelectionFlags } from './selection.ts'

interface StatsOptions extends SelectionFlags {
  json: boolean
}

type Counts = Record<LetterState, number>

interface StatsLine extends Counts {
  trigger: string
  function: string
  code: string
  /** Times of the first and the last one, RFC 3339. */
  oldest: string
  newest: string
}

export function statsCommand(): Command {
  const { command, runs } = defineCommand<StatsOptions>(
    'stats',
    'how many there are, by trigger and error code',
  )
  withSelectionFlags(command).option('--json', 'one JSON object a line', false)
  return runs((options) => useLog({ ...options }, (access) => runStats(access, options)))
}

async function runStats({ reader }: LogAccess, options: StatsOptions): Promise<number> {
  const selection = selectionOf(options)
  const lines = new Map<string, StatsLine>()
  let left = selection.limit ?? Number.POSITIVE_INFINITY
  for (const topic of await topicsOf(reader, selection)) {
    const states = await statesOf(reader, topic)
    for await (const letter of lettersOf(reader, topic)) {
      if (left <= 0 || !isSelected(letter, selection)) continue
      const state = states.of(letter.ref)?.state ?? 'open'
      if (state === 'open') left--
      count(lines, letter, state)
    }
  }
  for (const line of lines.values()) print(options.json ? JSON.stringify(line) : readable(line))
  return EXIT.done
}

function count(lines: Map<string, StatsLine>, letter: Letter, state: LetterState): void {
  const { trigger, code } = letter
  const at = new Date(letter.writtenAt).toISOString()
  const key = JSON.stringify([trigger, letter.function, code])
  const line = lines.get(key) ?? {
    trigger,
    function: letter.function,
    code,
    open: 0,
    replayed: 0,
    discarded: 0,
    edited: 0,
    oldest: at,
    newest: at,
  }
  line[state]++
  if (at < line.oldest) line.oldest = at
  if (at > line.newest) line.newest = at
  lines.set(key, line)
}

function readable(line: StatsLine): string {
  const counts = (['open', 'replayed', 'discarded', 'edited'] as const)
    .filter((state) => state === 'open' || line[state] > 0)
    .map((state) => `${line[state]} ${state}`)
  return `${line.trigger}  ${line.function}  ${line.code}  ${counts.join(', ')}  ${line.oldest} to ${line.newest}`
}
