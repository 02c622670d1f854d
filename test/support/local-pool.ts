/** Functions as callbacks in this process, where a test has to hold their events and see each of them. */
import type { FunctionManifest } from '../../runtime/contract/manifest.ts'
import type {
  FunctionRunner,
  IsolatePool,
  ResultListener,
  WorkItem,
  WorkReply,
} from '../../runtime/contract/work.ts'
import { MillraceError } from '../../runtime/errors.ts'

/** Gives the replies; a rejection stands for a handler that is never done. */
export type Handle = (item: WorkItem) => Promise<WorkReply[] | void> | WorkReply[] | void

export class LocalPool implements IsolatePool {
  readonly #handle: Handle
  /** Names of the functions that are open, one for each runner. */
  readonly functions: string[] = []
  /** How often one was to be opened. */
  opened = 0

  constructor(handle: Handle) {
    this.#handle = handle
  }

  open(
    manifest: FunctionManifest,
    _bundle: unknown,
    onResults: ResultListener,
  ): Promise<FunctionRunner> {
    this.opened++
    if (manifest.name === 'broken') {
      return Promise.reject(new MillraceError('FN_HANDLER_INIT', 'it throws when it is loaded'))
    }
    this.functions.push(manifest.name)
    let items = 0
    const run = async (lane: readonly WorkItem[]): Promise<void> => {
      for (const item of lane) {
        const replies = (await this.#handle(item)) ?? []
        await new Promise((resolve) => setImmediate(resolve))
        items--
        onResults([{ id: item.id, status: 'done', replies, logs: [], durationMs: 1 }])
      }
    }
    return Promise.resolve({
      manifest,
      submit: (given) => {
        items += given.length
        for (const lane of Map.groupBy(given, (item) => item.lane).values()) void run(lane)
      },
      inFlight: () => ({ items, bytes: 0 }),
      trouble: () => undefined,
      close: async () => {
        this.functions.splice(this.functions.indexOf(manifest.name), 1)
      },
    })
  }

  walls(): string[] {
    return []
  }

  workerRssBytes(): number {
    return 0
  }

  async close(): Promise<void> {}
}
