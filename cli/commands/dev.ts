/** `fn dev`: build and run, and again on every save; one command, no container, no Kafka. */
import { watch, type FSWatcher } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../../runtime/config/schema.ts'
import type { Topology } from '../../runtime/contract/topology.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import type { TopologyChange } from '../../runtime/routes.ts'
import type { Runtime } from '../../runtime/start.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { LiveResources } from '../live-resources.ts'
import { EXIT, report, say } from '../output.ts'
import { isThere, resourcePaths, withFileFlag, type FileOptions } from '../resources.ts'
import { untilStopped } from '../until-stopped.ts'
import { buildProject, summary } from './build.ts'
import { announce, startProject } from './start.ts'

/** Editors write a file in several steps; what comes within this time is one save. */
const SAVE_MS = 100

export function devCommand(): Command {
  const { command, runs } = defineCommand<FileOptions & Record<string, unknown>>(
    'dev',
    'build and run functions/, and again on every save',
  )
  withConfigFlags(command)
  withFileFlag(command, 'Knative resources that are served beside the functions')
  return runs(async (options) => {
    const config = configOf(options)
    const session = new DevSession(config, process.cwd(), resourcePaths(options, config))
    try {
      await session.start()
    } catch (error) {
      await session.stop()
      throw error
    }
    await untilStopped(session)
    return EXIT.done
  })
}

class DevSession {
  readonly #config: Config
  readonly #projectDir: string
  readonly #resources: LiveResources
  #runtime: Runtime | undefined
  readonly #watchers: FSWatcher[] = []
  #timer: NodeJS.Timeout | undefined
  /** One build and restart after another. */
  #turn: Promise<void> = Promise.resolve()

  constructor(config: Config, projectDir: string, paths: readonly string[]) {
    this.#config = config
    this.#projectDir = projectDir
    this.#resources = new LiveResources(paths, config, projectDir)
  }

  async start(): Promise<void> {
    const dir = resolve(this.#projectDir, this.#config.functions)
    const hasFunctions = this.#resources.paths.length === 0 || (await isThere(dir))
    if (hasFunctions) {
      this.#watch(this.#config.functions)
      // A project may do without schemas.
      const { schemas } = this.#config
      if (await isThere(resolve(this.#projectDir, schemas))) this.#watch(schemas)
      await this.#reload('first')
      say(`watching ${this.#config.functions}/`)
    } else {
      await this.#restart(performance.now())
    }
    this.#resources.follow(() => {
      this.#turn = this.#turn.then(() =>
        this.#resources.reload((declared) => this.#apply(declared)),
      )
    })
  }

  #watch(folder: string): void {
    const dir = resolve(this.#projectDir, folder)
    this.#watchers.push(watch(dir, { recursive: true }, () => this.#saved()))
  }

  async stop(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close()
    this.#resources.close()
    clearTimeout(this.#timer)
    await this.#turn
    await this.#runtime?.stop()
  }

  #saved(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#turn = this.#turn.then(() => this.#reload())
    }, SAVE_MS)
  }

  /** A broken save is told and changes nothing: what runs goes on. */
  async #reload(turn: 'first' | 'again' = 'again'): Promise<void> {
    try {
      const startedAt = performance.now()
      const built = await buildProject(this.#config, this.#projectDir)
      if (built.manifest === undefined) {
        if (this.#runtime !== undefined) say('the last good build goes on')
        return
      }
      say(summary(built, this.#config))
      await this.#restart(startedAt)
    } catch (error) {
      // With wrong resources there is nothing that could go on.
      if (turn === 'first' && isMillraceError(error, 'FN_RESOURCE_INVALID')) throw error
      report(error)
    }
  }

  /** What is declared for a runtime that did not start is served once it does. */
  async #apply(declared: Topology): Promise<TopologyChange | undefined> {
    return this.#runtime?.apply(declared)
  }

  async #restart(startedAt: number): Promise<void> {
    await this.#runtime?.stop()
    this.#runtime = undefined
    this.#runtime = await startProject(this.#config, this.#projectDir, this.#resources)
    announce(this.#runtime, startedAt)
  }
}
