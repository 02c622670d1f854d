/** `fn lag`: how far each trigger is behind its broker. */
import { readManifest } from '../../builder/manifest-file.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { partitionKey } from '../../runtime/contract/broker.ts'
import { triggerName, type TriggerManifest } from '../../runtime/contract/manifest.ts'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { defineCommand, useLog, withConfigFlags, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, print, say } from '../output.ts'
import { NONE_KNOWN, servedTriggers } from '../triggers.ts'

interface LagOptions {
  json: boolean
}

interface LagLine {
  trigger: string
  group: string
  topic: string
  partition: number
  committed: number | null
  end: number
  lag: number
  inFlight: number | null
  attached: boolean | null
  paused: boolean | null
}

export function lagCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean }>(
    'lag',
    'how far each trigger is behind its broker',
  )
  withConfigFlags(withLogFlags(command), ['build']).option(
    '--json',
    'one JSON object a line',
    false,
  )
  return runs((options) =>
    useLog({ ...options }, (access, config) => runLag(access, config, options)),
  )
}

async function runLag(access: LogAccess, config: Config, options: LagOptions): Promise<number> {
  const lines: LagLine[] = []
  const live = access.live === undefined ? [] : (await access.live()).cursors
  const served = await servedTriggers(access, config)
  // Neither a build nor a runtime: the build's absence is what there is to say.
  if (served === undefined) await readManifest(resolve(config.build))
  if (served?.length === 0) say(NONE_KNOWN)
  for (const trigger of served ?? []) {
    lines.push(...(await lagOf(access, trigger, live)))
  }
  const shown = options.json ? lines.map((line) => JSON.stringify(line)) : summaries(lines)
  for (const line of shown) print(line)
  return EXIT.done
}

async function lagOf(
  { reader }: LogAccess,
  trigger: TriggerManifest,
  live: Awaited<ReturnType<NonNullable<LogAccess['live']>>>['cursors'],
): Promise<LagLine[]> {
  const [info] = await reader.topics([trigger.topic])
  if (info === undefined) return []
  const partitions = Array.from({ length: info.partitions }, (_, partition) => ({
    topic: trigger.topic,
    partition,
  }))
  const ranges = await reader.ranges(partitions)
  const committed = await reader.committed(trigger.group, partitions)
  return ranges.map((range) => {
    const offset = committed.find((one) => one.partition === range.partition)?.offset
    const cursor = live.find(
      (one) => one.group === trigger.group && partitionKey(one) === partitionKey(range),
    )
    return {
      trigger: triggerName(trigger),
      group: trigger.group,
      topic: trigger.topic,
      partition: range.partition,
      committed: offset ?? null,
      end: range.end,
      lag: range.end - (offset ?? range.end),
      inFlight: cursor?.inFlight ?? null,
      attached: cursor?.attached ?? null,
      paused: cursor?.paused ?? null,
    }
  })
}

/** One line a trigger; the partitions stand in the JSON. */
function summaries(lines: readonly LagLine[]): string[] {
  return [...Map.groupBy(lines, (line) => line.trigger)].map(([trigger, own]) => {
    const sum = (value: (line: LagLine) => number | null): number =>
      own.reduce((total, line) => total + (value(line) ?? 0), 0)
    const notes = [
      own.some((line) => line.attached === false) ? 'detached' : '',
      own.some((line) => line.paused === true) ? 'paused' : '',
      own.every((line) => line.committed === null) ? 'never ran' : '',
    ]
    return [
      trigger,
      `lag ${sum((line) => line.lag)}`,
      own[0]?.inFlight === null ? '' : `in flight ${sum((line) => line.inFlight)}`,
      ...notes,
    ]
      .filter(Boolean)
      .join('  ')
  })
}
