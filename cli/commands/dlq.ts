/** `fn dlq`: dead letters, each command in a file of its own. */
import { Command } from 'commander'
import { discardCommand } from './dlq/discard.ts'
import { editCommand } from './dlq/edit.ts'
import { listCommand } from './dlq/list.ts'
import { replayCommand } from './dlq/replay.ts'
import { showCommand } from './dlq/show.ts'
import { statsCommand } from './dlq/stats.ts'

export function dlqCommand(): Command {
  return new Command('dlq')
    .description('dead letters: events whose retries are used up')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(statsCommand())
    .addCommand(replayCommand())
    .addCommand(editCommand())
    .addCommand(discardCommand())
}
