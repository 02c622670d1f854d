/** `fn dlq discard`: marks dead letters as not needed. */
import type { Command } from 'commander'
import { discardLetters } from '../../../runtime/dlq/discard.ts'
import { isEmptySelection } from '../../../runtime/dlq/select.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { defineCommand, useLog } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, print, say } from '../../output.ts'
import { selectionOf, withSelectionFlags, type SelectionFlags } from './selection.ts'

interface DiscardFlags extends SelectionFlags {
  reason: string
  dryRun: boolean
}

export function discardCommand(): Command {
  const { command, runs } = defineCommand<DiscardFlags>(
    'discard',
    'mark open dead letters as not needed',
  )
  withSelectionFlags(command)
    .argument('[refs...]', 'topic/partition/offset, as fn dlq list prints it')
    .requiredOption('--reason <text>', 'why; it is kept beside the letter')
    .option('--dry-run', 'only say what would be discarded', false)
    .option('--json', 'it prints one JSON object, with or without this', false)
  return runs((options, refs) =>
    useLog({ ...options }, (access) => runDiscard(access, options, refs)),
  )
}

async function runDiscard(
  access: LogAccess,
  options: DiscardFlags,
  refs: readonly string[],
): Promise<number> {
  const selection = selectionOf(options, refs)
  if (isEmptySelection(selection)) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      'say which dead letters to discard: name them by their ref, or select with --function, --type, --code, --since, --key or --error',
    )
  }
  const { selected, discarded, skipped } = await discardLetters(access, selection, options)
  for (const { ref, reason } of skipped) say(`${ref} skipped: ${reason}`)
  const counts = { selected, discarded: discarded.length, skipped: skipped.length }
  if (!options.dryRun) {
    print(JSON.stringify(counts))
    return EXIT.done
  }
  for (const { ref, type, id } of discarded) say(`${ref} would be discarded: ${type} ${id}`)
  print(JSON.stringify({ ...counts, discarded: 0, wouldDiscard: discarded.length }))
  return EXIT.done
}
