/** `fn dlq replay`: gives dead letters back to the trigger that failed, each of them once. */
import { InvalidArgumentError, type Command } from 'commander'
import { replayLetters } from '../../../runtime/dlq/replay.ts'
import { defineCommand, useLog } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, print, say } from '../../output.ts'
import { selectionOf, withSelectionFlags, type SelectionFlags } from './selection.ts'

interface ReplayFlags extends SelectionFlags {
  rate?: number
  dryRun: boolean
}

export function replayCommand(): Command {
  const { command, runs } = defineCommand<ReplayFlags>(
    'replay',
    'give open dead letters back to the trigger that failed, and to no other',
  )
  withSelectionFlags(command)
    .argument('[refs...]', 'topic/partition/offset, as fn dlq list prints it (default: all)')
    .option('--rate <count>', 'at most so many a second', perSecond)
    .option('--dry-run', 'only say what would be replayed', false)
    .option('--json', 'it prints one JSON object, with or without this', false)
  return runs((options, refs) =>
    useLog({ ...options }, (access) => runReplay(access, options, refs)),
  )
}

async function runReplay(
  access: LogAccess,
  options: ReplayFlags,
  refs: readonly string[],
): Promise<number> {
  const { selected, replayed, skipped } = await replayLetters(access, selectionOf(options, refs), {
    dryRun: options.dryRun,
    ...(options.rate === undefined ? {} : { perSecond: options.rate }),
  })
  for (const { ref, reason } of skipped) say(`${ref} skipped: ${reason}`)
  const counts = { selected, replayed: replayed.length, skipped: skipped.length }
  if (!options.dryRun) {
    print(JSON.stringify(counts))
    return EXIT.done
  }
  for (const { ref, type, id } of replayed) say(`${ref} would be replayed: ${type} ${id}`)
  print(JSON.stringify({ ...counts, replayed: 0, wouldReplay: replayed.length }))
  return EXIT.done
}

function perSecond(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(text)
}
