/** Resident memory of another process, as Linux tells it. */
import { closeSync, openSync, readSync } from 'node:fs'

const PAGE_BYTES = 4_096
const FIELDS_BYTES = 128

export class ResidentMemory {
  readonly #file: number
  readonly #buffer = Buffer.alloc(FIELDS_BYTES)

  /** Undefined where there is no `/proc`. */
  static of(pid: number): ResidentMemory | undefined {
    try {
      return new ResidentMemory(openSync(`/proc/${pid}/statm`, 'r'))
    } catch {
      // The process is gone already, or this is not Linux: there is nothing to watch.
      return undefined
    }
  }

  private constructor(file: number) {
    this.#file = file
  }

  /** Bytes, or 0 when the process is gone. */
  bytes(): number {
    try {
      const length = readSync(this.#file, this.#buffer, 0, FIELDS_BYTES, 0)
      return Number(this.#buffer.toString('latin1', 0, length).split(' ')[1]) * PAGE_BYTES
    } catch {
      // ESRCH: it ended between two looks.
      return 0
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}
