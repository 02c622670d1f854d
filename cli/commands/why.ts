/** `fn why`: what happened to one event, and what is known no longer. */
import type { Command } from 'commander'
import { brokerTopic, parseObjectName } from '../../runtime/broker/names.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { defineCommand, useLog, withConfigFlags, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, print, say } from '../output.ts'
import { servedTriggers } from '../triggers.ts'
import { followEvent } from '../why/follow.ts'
import { readableReport } from '../why/readable.ts'
import { NOT_KEPT } from '../why/report.ts'

interface WhyFlags {
  source?: string
  broker?: string
  json: boolean
}

export function whyCommand(): Command {
  const { command, runs } = defineCommand<WhyFlags>('why', 'what happened to an event')
  withConfigFlags(withLogFlags(command), ['build'])
    .argument('<id>', "the event's id")
    .option('--source <source>', 'only the event of this source')
    .option('--broker <namespace/name>', 'only in this broker (default: all)')
    .option('--json', 'one JSON object', false)
  return runs((options, [id]) =>
    useLog({ ...options }, (access, config) =>
      runWhy(access, config, { ...options, id: id as string }),
    ),
  )
}

async function runWhy(
  access: LogAccess,
  config: Config,
  { id, source, broker, json }: WhyFlags & { id: string },
): Promise<number> {
  const triggers = await servedTriggers(access, config)
  if (triggers === undefined) say('there is no build here, so the triggers are not known')
  const topic = broker === undefined ? undefined : brokerTopic(parseObjectName(broker, 'broker'))
  const report = await followEvent(access, {
    id,
    triggers,
    ...(source === undefined ? {} : { source }),
    ...(topic === undefined ? {} : { topic }),
  })
  const isKnown =
    report.occurrences !== NOT_KEPT || report.replies.length > 0 || report.deadLetters.length > 0
  if (!isKnown) {
    throw new MillraceError(
      'FN_CLI_NOT_FOUND',
      `nothing is kept of an event with the id ${id}${source === undefined ? '' : ` and the source ${source}`}: ` +
        'it never came, or the log has let it go; fn events shows what is there',
    )
  }
  if (access.delivery === undefined) say('no runtime was reached, so attempts are not known')
  if (json) print(JSON.stringify(report))
  else for (const line of readableReport(report)) print(line)
  return EXIT.done
}
