/** Knative resources that a runtime serves beside its functions, and goes on serving as their files change. */
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { MANIFEST_FILE, readManifest } from '../builder/manifest-file.ts'
import type { LoadedResources } from '../k8s/read/load.ts'
import type { Finding } from '../k8s/read/resource.ts'
import type { Config } from '../runtime/config/schema.ts'
import type { FunctionManifest } from '../runtime/contract/manifest.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../runtime/contract/topology.ts'
import type { TopologyChange } from '../runtime/routes.ts'
import { FileWatch } from './file-watch.ts'
import { report, say } from './output.ts'
import { isThere, sayNotes } from './resources.ts'

/** Serves another topology and says what changed; a rejection says why it is not served. */
type Apply = (declared: Topology) => Promise<TopologyChange | undefined>

export class LiveResources {
  readonly paths: readonly string[]
  readonly #config: Config
  readonly #projectDir: string
  /** As it was loaded or applied last; undefined before the first time. */
  #served: Topology | undefined
  /** Why what stands in the files is not served. */
  #trouble: string | undefined
  /** Notes as they were told last: at a change only new ones are. */
  #notes: readonly Finding[] = []
  #watch: FileWatch | undefined

  constructor(paths: readonly string[], config: Config, projectDir: string) {
    this.paths = paths
    this.#config = config
    this.#projectDir = projectDir
  }

  /** Whether there is no build, and need not be one: files, or a cluster, say what is served. */
  async isAlone(): Promise<boolean> {
    const { build, resourcesFrom, role } = this.#config
    const isCluster = resourcesFrom === 'cluster' || role.includes('controller')
    if (this.paths.length === 0 && !isCluster) return false
    return !(await isThere(this.#projectDir, build, MANIFEST_FILE))
  }

  /**
   * For a start. Throws `FN_RESOURCE_INVALID` with a line for each error; at a later start that is told, and
   * what was served before goes on.
   */
  async load(): Promise<Topology> {
    if (this.paths.length === 0) return EMPTY_TOPOLOGY
    try {
      const { topology, findings } = await this.#read()
      this.#tell(findings)
      this.#served = topology
      this.#trouble = undefined
      return topology
    } catch (error) {
      if (this.#served === undefined) throw error
      this.#refused(error)
      return this.#served
    }
  }

  /** Calls back when files may have changed, until `close`. */
  follow(changed: () => void): void {
    if (this.paths.length === 0) return
    this.#watch = new FileWatch(this.paths, changed)
    say(`watching ${this.paths.join(', ')}`)
  }

  /** Applies what stands in the files now. What is wrong is told, and what runs goes on as it was. */
  async reload(apply: Apply): Promise<void> {
    try {
      const { topology, findings } = await this.#read()
      const isSame = isDeepStrictEqual(topology, this.#served)
      if (isSame && this.#trouble === undefined) return
      this.#tell(findings)
      const change = isSame ? undefined : await apply(topology)
      this.#served = topology
      this.#trouble = undefined
      say(`resources: ${change === undefined ? 'as they run' : changeText(change)}`)
    } catch (error) {
      this.#refused(error)
    }
  }

  close(): void {
    this.#watch?.close()
  }

  #tell(findings: readonly Finding[]): void {
    const isKnown = (finding: Finding): boolean =>
      this.#notes.some(
        (one) =>
          one.field === finding.field &&
          one.message === finding.message &&
          fileOf(one) === fileOf(finding),
      )
    sayNotes(findings.filter((finding) => !isKnown(finding)))
    this.#notes = findings
  }

  #refused(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error)
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    report(error)
    say('resources: what runs goes on as it was')
  }

  async #read(): Promise<LoadedResources> {
    const { loadResources, refuseErrors } = await import('../k8s/read/load.ts')
    const { servicesOf } = await import('../runtime/config/services.ts')
    const functions = await this.#functions()
    const services = servicesOf(this.#config)
    const loaded = await loadResources(this.paths, { functions, services })
    refuseErrors(loaded.findings)
    return loaded
  }

  async #functions(): Promise<FunctionManifest[]> {
    if (await this.isAlone()) return []
    return (await readManifest(resolve(this.#projectDir, this.#config.build))).functions
  }
}

/** Lines move when a file is edited. */
function fileOf({ place }: Finding): string {
  return place.replace(/:\d+$/, '')
}

function changeText(change: TopologyChange): string {
  const parts = [
    ['added', change.added],
    ['changed', change.changed],
    ['removed', change.removed],
    ['brokers added', change.brokersAdded],
    ['brokers removed', change.brokersRemoved],
  ] as const
  const said = parts.filter(([, names]) => names.length > 0)
  if (said.length === 0) return 'no trigger and no broker changed'
  return said.map(([what, names]) => `${what} ${names.join(', ')}`).join('; ')
}
