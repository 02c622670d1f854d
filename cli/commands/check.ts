/** `fn check`: everything that a build finds, types and advice, without writing anything. */
import type { Command } from 'commander'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'

export function checkCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean }>(
    'check',
    'metadata, types, filters that can never match, replies in circles; writes nothing',
  )
  withConfigFlags(command, ['functions']).option('--json', 'one JSON object a line', false)
  return runs(async (options) => {
    const { checkProject } = await import('../../builder/check.ts')
    const { functions } = configOf({ ...options })
    const { findings, notes } = await checkProject({
      projectDir: process.cwd(),
      functionsDir: functions,
    })
    for (const finding of findings) {
      print(options.json ? JSON.stringify(finding) : `${finding.kind}: ${finding.message}`)
    }
    for (const note of notes) say(note)
    if (findings.length === 0) say(`${functions}/: nothing found`)
    return findings.length === 0 ? EXIT.done : EXIT.findings
  })
}
