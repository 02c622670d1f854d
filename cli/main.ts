/** The `fn` command. One file a command in `commands/`; this one only lists them. */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../runtime/version.ts'
import { buildCommand } from './commands/build.ts'
import { checkCommand } from './commands/check.ts'
import { devCommand } from './commands/dev.ts'
import { dlqCommand } from './commands/dlq.ts'
import { docsCommand } from './commands/docs.ts'
import { eventsCommand } from './commands/events.ts'
import { explainCommand } from './commands/explain.ts'
import { importCommand } from './commands/import.ts'
import { graphCommand } from './commands/graph.ts'
import { lagCommand } from './commands/lag.ts'
import { mainJobCommand } from './commands/main-job.ts'
import { pauseCommand } from './commands/pause.ts'
import { resumeCommand } from './commands/resume.ts'
import { sendCommand } from './commands/send.ts'
import { startCommand } from './commands/start.ts'
import { takeoverCommand } from './commands/takeover.ts'
import { typesCommand } from './commands/types.ts'
import { whyCommand } from './commands/why.ts'
import { EXIT, report } from './output.ts'

// Whoever reads our output may have had enough: `fn events | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  // oxlint-disable-next-line unicorn/no-process-exit -- nobody is left to write to
  process.exit(EXIT.done)
})

const program = new Command('fn')
  .description('Millrace: small TypeScript handlers over CloudEvents')
  .version(VERSION)
  .addCommand(devCommand())
  .addCommand(buildCommand())
  .addCommand(checkCommand())
  .addCommand(typesCommand())
  .addCommand(docsCommand())
  .addCommand(startCommand())
  .addCommand(sendCommand())
  .addCommand(eventsCommand())
  .addCommand(explainCommand())
  .addCommand(graphCommand())
  .addCommand(importCommand())
  .addCommand(whyCommand())
  .addCommand(lagCommand())
  .addCommand(pauseCommand())
  .addCommand(resumeCommand())
  .addCommand(dlqCommand())
  .addCommand(takeoverCommand())
  .addCommand(mainJobCommand(), { hidden: true })

for (const command of withSubcommands(program)) command.exitOverride()

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has told it already; help and version are no failure.
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage
  } else {
    process.exitCode = report(error)
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
