/** `fn lag`: how far each trigger is behind its broker. */
import { readManifest } from '../../builder/manifest-file.ts'
import type { TriggerManifest } from '../../runtime/contract/manifest.ts'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { defineCommand, useLog, withConfigFlags, withLogFlags } from '../command.ts'
import type { LogAccess } from '../log-access.ts'
import { EXIT, print } from '../output.ts'

interface LagOptions {
  buildDir: string
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
    useLog({ ...options }, (access, config) =>
      runLag(access, { buildDir: resolve(config.build), json: options.json }),
    ),
  )
}

async function runLag(access: LogAccess, options: LagOptions): Promise<number> {
  const lines: LagLine[] = []
  const live = access.live === undefined ? [] : (await access.live()).cursors
  const { functions } = await readManifest(options.buildDir)
  for (const trigger of functions.flatMap((one) => one.triggers)) {
    lines.push(...(await lagOf(access, trigger, live)))
  }
  for (const line of lines) print(options.json ? JSON.stringify(line) : readable(line))
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
      (one) => one.group === trigger.group && one.partition === range.partition,
    )
    return {
      trigger: `${trigger.namespace}/${trigger.name}`,
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

function readable(line: LagLine): string {
  const flags = [line.attached === false ? 'detached' : '', line.paused ? 'paused' : '']
  return (
    `${line.trigger}  ${line.topic}/${line.partition}  lag ${line.lag}` +
    `  (committed ${line.committed ?? 'nothing yet'}, end ${line.end}` +
    `${line.inFlight === null ? '' : `, in flight ${line.inFlight}`})  ${flags.filter(Boolean).join(' ')}`
  ).trimEnd()
}
