/** `fn dev`: build and run, and again on every save; one command, no container, no Kafka. */
import { existsSync, watch, type FSWatcher } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../../runtime/config/schema.ts'
import type { Runtime } from '../../runtime/start.ts'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, report, say } from '../output.ts'
import { untilStopped } from '../until-stopped.ts'
import { buildProject, summary } from './build.ts'
import { announce, startProject } from './start.ts'

/** Editors write a file in several steps; what comes within this time is one save. */
const SAVE_MS = 100

export function devCommand(): Command {
  const { command, runs } = defineCommand<Record<string, unknown>>(
    'dev',
    'build and run functions/, and again on every save',
  )
  withConfigFlags(command)
  return runs(async (options) => {
    const session = new DevSession(configOf(options), process.cwd())
    await session.start()
    await untilStopped(session)
    return EXIT.done
  })
}

class DevSession {
  readonly #config: Config
  readonly #projectDir: string
  #runtime: Runtime | undefined
  readonly #watchers: FSWatcher[] = []
  #timer: NodeJS.Timeout | undefined
  /** One build and restart after another. */
  #turn: Promise<void> = Promise.resolve()

  constructor(config: Config, projectDir: string) {
    this.#config = config
    this.#projectDir = projectDir
  }

  async start(): Promise<void> {
    this.#watch(this.#config.functions)
    // A project may do without schemas.
    if (existsSync(resolve(this.#projectDir, this.#config.schemas)))
      this.#watch(this.#config.schemas)
    await this.#reload()
    say(`watching ${this.#config.functions}/`)
  }

  #watch(folder: string): void {
    const dir = resolve(this.#projectDir, folder)
    this.#watchers.push(watch(dir, { recursive: true }, () => this.#saved()))
  }

  async stop(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close()
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
  async #reload(): Promise<void> {
    try {
      const startedAt = performance.now()
      const built = await buildProject(this.#config, this.#projectDir)
      if (built.manifest === undefined) {
        if (this.#runtime !== undefined) say('the last good build goes on')
        return
      }
      say(summary(built, this.#config))
      await this.#runtime?.stop()
      this.#runtime = undefined
      this.#runtime = await startProject(this.#config, this.#projectDir)
      announce(this.#runtime, startedAt)
    } catch (error) {
      report(error)
    }
  }
}
