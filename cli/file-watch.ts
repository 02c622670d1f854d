/**
 * Says when something of the given files and folders may have changed. Editors put a new file in the place
 * of the old one and a mounted ConfigMap turns a link, so it is the folders that are watched, and watched
 * anew after each change.
 */
import { realpathSync, statSync, watch, type FSWatcher } from 'node:fs'
import path from 'node:path'

/** What comes within this time after another is one change. */
const QUIET_MS = 100
/** However much goes on, a change is told after this time. */
const MOST_MS = 1_000
const ENDINGS = ['.yaml', '.yml', '.json']
/** The link that Kubernetes turns when a mounted ConfigMap changes. */
const MOUNTED_LINK = '..data'

export class FileWatch {
  readonly #paths: readonly string[]
  readonly #changed: () => void
  #watchers: FSWatcher[] = []
  #timer: NodeJS.Timeout | undefined
  #firstAt: number | undefined

  constructor(paths: readonly string[], changed: () => void) {
    this.#paths = paths.map((one) => path.resolve(one))
    this.#changed = changed
    this.#watch()
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  #watch(): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
    for (const one of this.#paths) {
      // Where it is named, since it may come back there, and where it is.
      this.#watchFolder(path.dirname(one), (name) => isAt(name, path.basename(one)))
      const real = realPath(one)
      if (real === undefined) continue
      if (isFolder(real)) {
        this.#watchFolder(real, isResource, true)
        // Watching folders below, Node does not see a link turn.
        this.#watchFolder(real, (name) => name === MOUNTED_LINK)
      } else if (real !== one) {
        this.#watchFolder(path.dirname(real), (name) => isAt(name, path.basename(real)))
      }
    }
  }

  #watchFolder(folder: string, isMeant: (name: string) => boolean, recursive = false): void {
    try {
      const watcher = watch(folder, { recursive }, (_event, name) => {
        if (name === null || isMeant(name)) this.#moved()
      })
      watcher.on('error', () => this.#moved()) // such as a folder that goes
      this.#watchers.push(watcher)
    } catch {
      // It is not there: whoever reads it says so, and the folder around it is watched.
    }
  }

  #moved(): void {
    const now = Date.now()
    this.#firstAt ??= now
    const waitMs = Math.min(QUIET_MS, Math.max(0, this.#firstAt + MOST_MS - now))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#firstAt = undefined
      this.#watch()
      this.#changed()
    }, waitMs)
  }
}

function isAt(name: string, base: string): boolean {
  return name === base || name === MOUNTED_LINK
}

/** A folder may be one that files are in; what is hidden is not meant, nor what packages bring. */
function isResource(name: string): boolean {
  if (name === MOUNTED_LINK) return true
  const parts = name.split(path.sep)
  if (parts.some((part) => part.startsWith('.') || part === 'node_modules')) return false
  const ending = path.extname(name)
  return ending === '' || ENDINGS.includes(ending)
}

function realPath(file: string): string | undefined {
  try {
    return realpathSync(file)
  } catch {
    return undefined // it is not there
  }
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true
}
