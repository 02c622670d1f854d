/** The flags that say which dead letters are meant. */
import type { Command } from 'commander'
import { parseDuration } from '../../../runtime/contract/duration.ts'
import type { Selection } from '../../../runtime/dlq/select.ts'
import { isMillraceError, MillraceError } from '../../../runtime/errors.ts'
import { wholeNumber, withLogFlags } from '../../command.ts'

export interface SelectionFlags {
  function?: string
  type?: string
  code?: string
  since?: string
  key?: string
  error?: string
  limit?: number
}

export function withSelectionFlags(command: Command): Command {
  return withLogFlags(command)
    .option('--function <name>', 'only of this function')
    .option('--type <type>', 'only events of this type')
    .option('--code <code>', 'only with this error code, such as FN_HANDLER_THREW')
    .option(
      '--since <time>',
      'only those written since: 2026-01-31T12:00:00Z, or so long ago: PT1H, P2D',
    )
    .option('--key <key>', 'only events with this key')
    .option('--error <text>', "only with this text in the error's class or message")
    .option('--limit <count>', 'at most so many open ones, the first of the log', wholeNumber)
}

export function selectionOf(flags: SelectionFlags, refs: readonly string[] = []): Selection {
  const { since, limit } = flags
  const texts = {
    function: flags.function,
    type: flags.type,
    code: flags.code,
    key: flags.key,
    error: flags.error,
  }
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined)),
    ...(refs.length === 0 ? {} : { refs }),
    ...(since === undefined ? {} : { sinceMs: timeOf(since) }),
    ...(limit === undefined ? {} : { limit }),
  }
}

function timeOf(since: string): number {
  if (since.startsWith('P')) {
    try {
      return Date.now() - parseDuration(since)
    } catch (error) {
      if (!isMillraceError(error)) throw error
      throw new MillraceError('FN_CLI_USAGE', `--since: ${error.message}`, { cause: error })
    }
  }
  const timeMs = Date.parse(since)
  // Dates without a time or zone mean different things to different people.
  if (/^\d{4}-\d{2}-\d{2}[Tt ].*([Zz]|[+-]\d{2}:\d{2})$/.test(since) && !Number.isNaN(timeMs)) {
    return timeMs
  }
  throw new MillraceError(
    'FN_CLI_USAGE',
    `--since ${since} is neither a time such as 2026-01-31T12:00:00Z nor a duration such as PT1H`,
  )
}
