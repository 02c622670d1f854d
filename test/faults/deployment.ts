/** The processes of one deployment: each in a folder of its own, all of the same build. */
import { eventually } from '../support/eventually.ts'
import { project, type Project, type RunningRuntime } from '../support/project.ts'
import type { Cleanup } from './cleanup.ts'
import { Scraper } from './scraper.ts'

export interface Member {
  runtime: RunningRuntime
  scraper: Scraper
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

export interface DeploymentOptions {
  /** File name → source. */
  sources: Record<string, string>
  /** For `fn start`. */
  flags: readonly string[]
  /** See `Project.start`. */
  within(folder: string): readonly string[]
  /** See `readScrape`. */
  counted: string | undefined
}

export class Deployment {
  readonly main: Project
  readonly #t: Cleanup
  readonly #options: DeploymentOptions
  readonly #folders: Project[]
  readonly #running = new Set<Member>()
  readonly #problems: string[] = []
  #scrapes = 0

  private constructor(t: Cleanup, main: Project, options: DeploymentOptions) {
    this.#t = t
    this.main = main
    this.#folders = [main]
    this.#options = options
  }

  static async build(t: Cleanup, options: DeploymentOptions): Promise<Deployment> {
    const main = await project(t, options.sources)
    const { code, stderr } = await main.fn(['build'])
    if (code !== 0) throw new Error(`the chain does not build:\n${stderr}`)
    return new Deployment(t, main, options)
  }

  get running(): ReadonlySet<Member> {
    return this.#running
  }

  /** What was wrong in any scrape of any process, and how many scrapes there were. */
  get books(): { scrapes: number; problems: readonly string[] } {
    let scrapes = this.#scrapes
    const problems = [...this.#problems]
    for (const { scraper } of this.#running) {
      scrapes += scraper.scrapes
      problems.push(...scraper.problems)
    }
    return { scrapes, problems }
  }

  /** Records in flight by the last scrape of each process. */
  get unfinished(): number {
    let sum = 0
    for (const { scraper } of this.#running) sum += scraper.latest.inFlight
    return sum
  }

  /** Starts the process of a folder, 0 being the main one, and waits until it is ready. */
  async start(folder = 0): Promise<Member> {
    const home = await this.#folder(folder)
    const within = this.#options.within(home.dir)
    const runtime = await home.start(this.#options.flags, 'start', within)
    const scraper = new Scraper(runtime.metrics, this.#options.counted)
    const member: Member = {
      runtime,
      scraper,
      end: async (signal) => {
        scraper.stop()
        this.#running.delete(member)
        this.#scrapes += scraper.scrapes
        this.#problems.push(...scraper.problems)
        const code = await runtime.end(signal)
        if (signal === 'SIGTERM' && code !== 0) {
          throw new Error(`the runtime ended with ${code}:\n${runtime.output().slice(-4_000)}`)
        }
      },
    }
    this.#running.add(member)
    return member
  }

  /** Waits until the process owns as many partitions as asked for. */
  async owns(member: Member, isEnough: (partitions: number) => boolean): Promise<void> {
    try {
      await eventually(
        () => isEnough(member.scraper.latest.assignedPartitions),
        'the partitions are assigned',
        60_000,
      )
    } catch (error) {
      const all = [...this.#running].map(
        ({ runtime, scraper }) =>
          `${runtime.pid} has ${scraper.latest.assignedPartitions}:\n${runtime.output().slice(-2_000)}`,
      )
      throw new Error(`${String(error)}\n${all.join('\n')}`, { cause: error })
    }
  }

  async stop(): Promise<void> {
    for (const member of this.#running) await member.end('SIGTERM')
  }

  async #folder(index: number): Promise<Project> {
    const known = this.#folders[index]
    if (known !== undefined) return known
    const made = await project(this.#t, {})
    await made.copyBuild(this.main)
    this.#folders[index] = made
    return made
  }
}
