/** Knative resources given to a command: by `-f`, or else by the configuration. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { findingLine, type Finding } from '../k8s/read/resource.ts'
import type { Config } from '../runtime/config/schema.ts'
import { isMillraceError } from '../runtime/errors.ts'
import { say } from './output.ts'

export interface FileOptions {
  file?: string[]
}

export function withFileFlag(command: Command, meaning: string): Command {
  return command.option(
    '-f, --file <path>',
    `${meaning}; a file or folder, may be given several times`,
    (value: string, before: string[] | undefined) => [...(before ?? []), value],
  )
}

export function resourcePaths({ file }: FileOptions, config: Config): readonly string[] {
  return file ?? config.resources
}

/** Whether a path of the project is there: commands that read resources need no project. */
export async function isThere(...parts: string[]): Promise<boolean> {
  try {
    await stat(path.resolve(...parts))
    return true
  } catch {
    // Not there, or not for us to see: whoever wants it says why.
    return false
  }
}

/** Commands that read resources need no functions beside them. */
export async function hasFunctions({ functions }: Config): Promise<boolean> {
  const { discoverFunctions } = await import('../builder/discover.ts')
  try {
    await discoverFunctions(path.resolve(functions))
    return true
  } catch (error) {
    if (!isMillraceError(error, 'FN_BUILD_FAILED')) throw error
    return false
  }
}

export function sayNotes(findings: readonly Finding[]): void {
  for (const finding of findings) {
    if (finding.severity === 'note') say(`note: ${findingLine(finding)}`)
  }
}
