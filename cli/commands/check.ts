/** `fn check`: everything that a build finds, types and advice. */
import type { Command } from 'commander'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'

export function checkCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean; acceptSchemas: boolean }>(
    'check',
    'metadata, types, filters that can never match, replies in circles, schemas that changed',
  )
  withConfigFlags(command, ['functions', 'schemas', 'build'])
    .option('--accept-schemas', 'write down the schemas as those to compare with', false)
    .option('--json', 'one JSON object a line', false)
  return runs(async (options) => {
    const { checkProject } = await import('../../builder/check.ts')
    const { functions, schemas, build } = configOf({ ...options })
    const { findings, notes } = await checkProject({
      projectDir: process.cwd(),
      functionsDir: functions,
      schemasDir: schemas,
      buildDir: build,
      acceptSchemas: options.acceptSchemas,
    })
    for (const finding of findings) {
      print(options.json ? JSON.stringify(finding) : `${finding.kind}: ${finding.message}`)
    }
    for (const note of notes) say(note)
    if (findings.length === 0) say(`${functions}/: nothing found`)
    return findings.length === 0 ? EXIT.done : EXIT.findings
  })
}
