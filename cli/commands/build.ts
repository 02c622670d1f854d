/** `fn build`: bundles and manifest from `functions/`. */
import type { Command } from 'commander'
import type { BuildReport } from '../../builder/report.ts'
import type { Config } from '../../runtime/config/schema.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, print, say } from '../output.ts'

export function buildCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean }>(
    'build',
    'bundle functions/ into what the runtime runs',
  )
  withConfigFlags(command, ['functions', 'schemas', 'build']).option(
    '--json',
    'one JSON object',
    false,
  )
  return runs(async (options) => {
    const config = configOf({ ...options })
    const report = await buildProject(config, process.cwd())
    if (report.manifest === undefined) return EXIT.failed
    const functions = report.manifest.functions.map(({ name, version }) => ({ name, version }))
    if (options.json) print(JSON.stringify({ functions, durationMs: report.durations.totalMs }))
    else say(summary(report, config))
    return EXIT.done
  })
}

/** Builds, and tells every failure and warning. */
export async function buildProject(config: Config, projectDir: string): Promise<BuildReport> {
  const [{ build }, { reportText }] = await Promise.all([
    import('../../builder/build.ts'),
    import('../../builder/report.ts'),
  ])
  const report = await build({
    projectDir,
    functionsDir: config.functions,
    schemasDir: config.schemas,
    outDir: config.build,
  })
  const text = reportText(report)
  if (text !== '') say(text)
  return report
}

export function summary({ manifest, durations }: BuildReport, config: Config): string {
  const count = manifest?.functions.length ?? 0
  const seconds = (durations.totalMs / 1000).toFixed(1)
  return `built ${count} function${count === 1 ? '' : 's'} from ${config.functions}/ into ${config.build} in ${seconds} s`
}
