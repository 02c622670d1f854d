/** `fn dlq list`: the dead letters that nobody has dealt with yet. */
import type { Command } from 'commander'
import { lettersOf } from '../../../runtime/dlq/scan.ts'
import { isSelected, topicsOf } from '../../../runtime/dlq/select.ts'
import { statesOf } from '../../../runtime/dlq/states.ts'
import { defineCommand, useLog } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, print } from '../../output.ts'
import { letterLine, readable } from './letter-line.ts'
import { selectionOf, withSelectionFlags, type SelectionFlags } from './selection.ts'

interface ListOptions extends SelectionFlags {
  all: boolean
  json: boolean
}

export function listCommand(): Command {
  const { command, runs } = defineCommand<ListOptions>('list', 'the open dead letters')
  withSelectionFlags(command)
    .option('--all', 'also those that were replayed, discarded or edited', false)
    .option('--json', 'one JSON object a line', false)
  return runs((options) => useLog({ ...options }, (access) => runList(access, options)))
}

async function runList({ reader }: LogAccess, options: ListOptions): Promise<number> {
  const selection = selectionOf(options)
  let left = selection.limit ?? Number.POSITIVE_INFINITY
  for (const topic of await topicsOf(reader, selection)) {
    const states = await statesOf(reader, topic)
    for await (const letter of lettersOf(reader, topic)) {
      if (left <= 0) return EXIT.done
      const state = states.of(letter.ref)?.state ?? 'open'
      if ((state !== 'open' && !options.all) || !isSelected(letter, selection)) continue
      left--
      const line = letterLine(letter, state)
      print(options.json ? JSON.stringify(line) : readable(line))
    }
  }
  return EXIT.done
}
