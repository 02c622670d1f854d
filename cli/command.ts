/** What all commands share: the project's folder, the configuration flags, and how a run ends. */
import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { loadConfig } from '../runtime/config/load.ts'
import {
  CONFIG_KEYS,
  flagOf,
  keySchema,
  type Config,
  type ConfigKey,
} from '../runtime/config/schema.ts'
import { MillraceError } from '../runtime/errors.ts'
import { openLogAccess, type LogAccess } from './log-access.ts'

/** Runs a command's work and gives the exit code. */
export type Run<Options> = (options: Options, args: string[]) => Promise<number> | number

/** Makes a command whose action sets the exit code. */
export function defineCommand<Options>(
  name: string,
  summary: string,
): {
  command: Command
  runs: (run: Run<Options>) => Command
} {
  const command = new Command(name)
    .description(summary)
    .showHelpAfterError('fn help, or --help after a command, shows what there is')
  return {
    command,
    runs: (run) =>
      command.action(async function action(this: Command) {
        process.exitCode = await run(this.opts() as Options, this.args)
      }),
  }
}

/** Adds flags for configuration keys; all of them when none is named. */
export function withConfigFlags(
  command: Command,
  keys: readonly ConfigKey[] = CONFIG_KEYS,
): Command {
  for (const key of keys) {
    const { description, default: value, fallback, enum: choices } = keySchema(key)
    const list = Array.isArray(value) ? value.join(',') || 'none' : value
    const shown = fallback ?? list
    const option = new Option(
      `${flagOf(key)} <value>`,
      `${description} (default: ${String(shown)})`,
    )
    // The check is the schema's; the choices stand in the help only.
    if (choices !== undefined) option.description += `; one of ${choices.join(', ')}`
    command.addOption(option)
  }
  return command
}

/** The configuration from flags, environment and file. */
export function configOf(options: Record<string, unknown>, projectDir = process.cwd()): Config {
  const flags = Object.fromEntries(
    CONFIG_KEYS.filter((key) => options[key] !== undefined).map((key) => [
      key,
      options[key] as string,
    ]),
  )
  return loadConfig({ flags, cwd: projectDir })
}

/** Flags that say which log an operator command reads. */
export function withLogFlags(command: Command): Command {
  withConfigFlags(command, ['brokers', 'data'])
  return command.option('--admin <socket>', 'admin socket of a runtime in another folder')
}

export async function useLog(
  options: { admin?: string } & Record<string, unknown>,
  use: (access: LogAccess, config: Config) => Promise<number>,
): Promise<number> {
  const config = configOf(options)
  const access = await openLogAccess({
    projectDir: process.cwd(),
    config,
    ...(options.admin === undefined ? {} : { admin: options.admin }),
  })
  try {
    return await use(access, config)
  } finally {
    await access.close()
  }
}

/** The content of a file, or of standard input for `-`. */
export async function readInput(path: string): Promise<Buffer> {
  if (path === '-') return Buffer.from(await readAll(process.stdin))
  try {
    return await readFile(path)
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new MillraceError(
      'FN_CLI_USAGE',
      `${path} ${missing ? 'is not there' : `cannot be read: ${String(cause)}`}; give a file, or - for standard input`,
      { cause },
    )
  }
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
