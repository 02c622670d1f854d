/** `fn pause`: a trigger takes nothing more until `fn resume`; the log keeps its place. */
import type { Command } from 'commander'
import { defineCommand, useLog, withConfigFlags, withLogFlags } from '../command.ts'
import { EXIT, print } from '../output.ts'
import { writeControl } from '../trigger-control.ts'
import { findTrigger } from '../triggers.ts'

interface PauseFlags {
  reason?: string
  json: boolean
}

export function pauseCommand(): Command {
  const { command, runs } = defineCommand<PauseFlags>(
    'pause',
    'hold a trigger, in all processes, until fn resume',
  )
  withConfigFlags(withLogFlags(command), ['build', 'namespace', 'app'])
    .argument('<trigger>', 'namespace/name, as fn lag prints it')
    .option('--reason <text>', 'why; it is kept')
    .option('--json', 'one JSON object', false)
  return runs((options, [name]) =>
    useLog({ ...options }, async (access, config) => {
      const trigger = await findTrigger(access, config, name as string)
      const control = await writeControl(access.writer, config, trigger.name, {
        paused: true,
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      })
      print(
        options.json
          ? JSON.stringify({ trigger: trigger.name, ...control })
          : `${trigger.name} is paused; fn resume ${trigger.name} lets it go on from where it is`,
      )
      return EXIT.done
    }),
  )
}
