/** `fn start`: the runtime in production, from what `fn build` wrote. */
import type { Command } from 'commander'
import type { Config } from '../../runtime/config/schema.ts'
import { MillraceError } from '../../runtime/errors.ts'
import type { Runtime } from '../../runtime/start.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { LiveResources } from '../live-resources.ts'
import { EXIT, say } from '../output.ts'
import { resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { untilStopped } from '../until-stopped.ts'

export function startCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & Record<string, unknown>>(
    'start',
    'run what fn build wrote: ingress, functions, metrics',
  )
  withConfigFlags(command)
  withFileFlag(command, 'Knative resources that are served beside the functions')
  return runs(async (options) => {
    const startedAt = performance.now()
    const config = configOf(options)
    const resources = new LiveResources(resourcePaths(options, config), config, process.cwd())
    const runtime = await startProject(config, process.cwd(), resources)
    announce(runtime, startedAt)
    await untilStopped(following(runtime, resources))
    return EXIT.done
  })
}

/** Applies what changes in the files, until the runtime is stopped. */
export function following(runtime: Runtime, resources: LiveResources): Pick<Runtime, 'stop'> {
  let turn: Promise<void> = Promise.resolve()
  resources.follow(() => {
    turn = turn.then(() => resources.reload((declared) => runtime.apply(declared)))
  })
  return {
    stop: async () => {
      resources.close()
      await turn
      await runtime.stop()
    },
  }
}

/** Starts the runtime of a project, and what is declared beside it, with the configured logger. */
export async function startProject(
  config: Config,
  projectDir: string,
  resources: LiveResources,
): Promise<Runtime> {
  if (config.resourcesFrom === 'cluster' && resources.paths.length > 0) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `resources come from files or from a cluster: leave out resourcesFrom cluster, or ${resources.paths.join(', ')}`,
    )
  }
  const declared = await resources.load()
  const withoutBuild = await resources.isAlone()
  if (withoutBuild) {
    // Nobody should find out from a Service's log that the build was left out.
    say(`no build in ${config.build}: no functions run, a ref to a Service is its address`)
  }
  const [{ startRuntime }, { createLogger }] = await Promise.all([
    import('../../runtime/start.ts'),
    import('../../runtime/telemetry/log.ts'),
  ])
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  return startRuntime({ config, projectDir, log, declared, withoutBuild })
}

export function announce(runtime: Runtime, startedAt: number): void {
  const { ready, reasons, walls } = runtime.readiness()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  say(ready ? `ready in ${seconds} s` : `started in ${seconds} s, not ready: ${reasons.join('; ')}`)
  say(`  log      ${runtime.driver === 'kafka' ? 'Kafka' : 'embedded'}`)
  if (runtime.ingress !== '') say(`  ingress  ${runtime.ingress}/{namespace}/{broker}`)
  say(`  metrics  ${runtime.metrics}/metrics`)
  say(`  walls    ${walls.join(', ')}`)
  if (ready) for (const reason of reasons) say(`  note     ${reason}`)
}
