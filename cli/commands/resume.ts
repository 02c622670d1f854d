/** `fn resume`: a paused trigger goes on; one whose position the log has lost goes on where it is told. */
import type { Command } from 'commander'
import { retryTopic } from '../../runtime/broker/names.ts'
import type { Config } from '../../runtime/config/schema.ts'
import {
  partitionKey,
  type OffsetCommit,
  type PartitionRange,
} from '../../runtime/contract/broker.ts'
import { MillraceError } from '../../runtime/errors.ts'
import { defineCommand, useLog, wholeNumber, withConfigFlags, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, print } from '../output.ts'
import { writeControl } from '../trigger-control.ts'
import { findTrigger, type KnownTrigger } from '../triggers.ts'

interface ResumeFlags {
  from?: string
  partition?: number
  json: boolean
}

interface Position extends PartitionRange {
  committed: number | undefined
  /** The log does not hold the committed offset: the trigger has stopped there with `OffsetLost`. */
  lost: boolean
}

export function resumeCommand(): Command {
  const { command, runs } = defineCommand<ResumeFlags>(
    'resume',
    'let a paused trigger go on, or one that stopped with OffsetLost',
  )
  withConfigFlags(withLogFlags(command), ['build', 'namespace', 'app'])
    .argument('<trigger>', 'namespace/name, as fn lag prints it')
    .option('--from <place>', 'after OffsetLost: earliest, latest, or an offset')
    .option('--partition <number>', 'only in this partition', wholeNumber)
    .option('--json', 'one JSON object', false)
  return runs((options, [name]) =>
    useLog({ ...options }, (access, config) =>
      runResume(access, config, { ...options, name: name as string }),
    ),
  )
}

async function runResume(
  access: LogAccess,
  config: Config,
  options: ResumeFlags & { name: string },
): Promise<number> {
  if (options.partition !== undefined && options.from === undefined) {
    throw new MillraceError('FN_CLI_USAGE', '--partition goes with --from: say where to go on')
  }
  const trigger = await findTrigger(access, config, options.name)
  const committed = await moveTo(access, trigger, options)
  const control = await writeControl(access.writer, config, trigger.name, { paused: false })
  if (options.json) {
    print(JSON.stringify({ trigger: trigger.name, ...control, committed }))
    return EXIT.done
  }
  const places = committed.map((at) => `offset ${at.offset} of ${partitionKey(at)}`)
  const from = places.length === 0 ? 'where it was' : places.join(', ')
  print(`${trigger.name} goes on from ${from}`)
  return EXIT.done
}

/** Commits the new position for the trigger's group, once it is known to be one. */
async function moveTo(
  access: LogAccess,
  trigger: KnownTrigger,
  { from, partition }: ResumeFlags,
): Promise<OffsetCommit[]> {
  if (from === undefined) return []
  const chosen = choose(await positionsOf(access, trigger), trigger, partition)
  const running = chosen.filter(({ lost }) => !lost)
  if (access.live !== undefined && running.length > 0) {
    const places = running.map((one) => `partition ${one.partition} at ${one.committed ?? 'none'}`)
    throw new MillraceError(
      'FN_CLI_USAGE',
      `${trigger.name} has not lost its position (${places.join(', ')}) and its runtime runs, which would write its own over a new one; ` +
        '--from is for a trigger that stopped with OffsetLost, or for a runtime that is stopped',
    )
  }
  if (chosen.length > 1 && from !== 'earliest' && from !== 'latest') {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `--from ${from}: an offset is of one partition; say which with --partition (${chosen.map((one) => one.partition).join(', ')})`,
    )
  }
  const offsets = chosen.map((position): OffsetCommit => ({
    topic: position.topic,
    partition: position.partition,
    offset: offsetIn(position, from),
  }))
  await access.writer.commit(trigger.group, offsets)
  return offsets
}

/** In the broker's topic, and in that of the trigger's replayed events where there is one. */
async function positionsOf({ reader }: LogAccess, trigger: KnownTrigger): Promise<Position[]> {
  const infos = await reader.topics([trigger.topic, retryTopic(trigger.topicPrefix)])
  const all = infos.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  )
  const committed = await reader.committed(trigger.group, all)
  return (await reader.ranges(all)).map((range) => {
    const same = committed.find((one) => partitionKey(one) === partitionKey(range))
    const offset = same?.offset
    const lost = offset !== undefined && (offset < range.start || offset > range.end)
    return { ...range, committed: offset, lost }
  })
}

/** Those that have lost their position; where none has, those of the broker's topic. */
function choose(
  positions: readonly Position[],
  trigger: KnownTrigger,
  partition: number | undefined,
): Position[] {
  const named = positions.filter((one) => partition === undefined || one.partition === partition)
  const lost = named.filter((one) => one.lost)
  if (lost.length > 0) return lost
  const own = named.filter(({ topic }) => topic === trigger.topic)
  if (own.length > 0) return own
  throw new MillraceError(
    'FN_CLI_NOT_FOUND',
    `${trigger.topic} has no partition${partition === undefined ? 's' : ` ${partition}`}; fn lag --json shows those that there are`,
  )
}

function offsetIn(position: Position, from: string): number {
  if (from === 'earliest') return position.start
  if (from === 'latest') return position.end
  const offset = /^\d+$/.test(from) ? Number(from) : Number.NaN
  if (offset >= position.start && offset <= position.end) return offset
  throw new MillraceError(
    'FN_CLI_USAGE',
    `--from ${from} is no place in ${position.topic}/${position.partition}, which holds ${position.start} to ${position.end}; give earliest, latest, or an offset in there`,
  )
}
