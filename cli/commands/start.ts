/** `fn start`: the runtime in production, from what `fn build` wrote. */
import type { Command } from 'commander'
import type { Config } from '../../runtime/config/schema.ts'
import type { Runtime } from '../../runtime/start.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, say } from '../output.ts'
import { untilStopped } from '../until-stopped.ts'

export function startCommand(): Command {
  const { command, runs } = defineCommand<Record<string, unknown>>(
    'start',
    'run what fn build wrote: ingress, functions, metrics',
  )
  withConfigFlags(command)
  return runs(async (options) => {
    const startedAt = performance.now()
    const runtime = await startProject(configOf(options), process.cwd())
    announce(runtime, startedAt)
    await untilStopped(runtime)
    return EXIT.done
  })
}

/** Starts the runtime of a project with the configured logger. */
export async function startProject(config: Config, projectDir: string): Promise<Runtime> {
  const [{ startRuntime }, { createLogger }] = await Promise.all([
    import('../../runtime/start.ts'),
    import('../../runtime/telemetry/log.ts'),
  ])
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  return startRuntime({ config, projectDir, log })
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
