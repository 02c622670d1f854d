import type { AppendRecord, AppendResult } from '../contract/broker.ts'
import { MillraceError } from '../errors.ts'

/** What one append carries at most; one entry that is larger goes alone. */
const MAX_CHUNK_BYTES = 4 * 1024 * 1024
const MAX_CHUNK_RECORDS = 2_000

export interface AppendQueueOptions {
  append(records: AppendRecord[]): Promise<AppendResult[]>
  /** Called once per append with how long it took. */
  onAppend(seconds: number): void
  /** Called after an append that failed in part or whole: its first error, how many entries failed. */
  onFailed(error: Error, entries: number): void
}

/** Called once, when the fate of all records of an entry is known: with the first error, if any. */
export type Settled = (error: Error | undefined) => void

interface Entry {
  records: AppendRecord[]
  bytes: number
  settled: Settled
}

/**
 * Group commit without a timer: one append is in flight, and what arrives meanwhile forms the next. The
 * slower the log, the larger the chunks. Two in flight, or waiting for a chunk to fill, measured worse.
 * Entries keep their order, and an entry is never split.
 */
export class AppendQueue {
  readonly #options: AppendQueueOptions
  #waiting: Entry[] = []
  #inFlight = false

  constructor(options: AppendQueueOptions) {
    this.#options = options
  }

  push(records: AppendRecord[], bytes: number, settled: Settled): void {
    this.#waiting.push({ records, bytes, settled })
    if (!this.#inFlight) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#inFlight = true
    while (this.#waiting.length > 0) {
      const chunk = this.#nextChunk()
      const results = await this.#append(chunk)
      this.#settle(chunk, results)
    }
    this.#inFlight = false
  }

  #nextChunk(): Entry[] {
    let bytes = 0
    let records = 0
    let count = 0
    for (const entry of this.#waiting) {
      bytes += entry.bytes
      records += entry.records.length
      if (count > 0 && (bytes > MAX_CHUNK_BYTES || records > MAX_CHUNK_RECORDS)) break
      count++
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting
      this.#waiting = []
      return all
    }
    return this.#waiting.splice(0, count)
  }

  /** The contract says that `append` never rejects; if it does, the fate of the records is unknown. */
  async #append(chunk: Entry[]): Promise<AppendResult[] | Error> {
    const records = chunk.length === 1 ? (chunk[0]?.records ?? []) : chunk.flatMap((e) => e.records)
    const startedMs = performance.now()
    try {
      return await this.#options.append(records)
    } catch (cause) {
      return new MillraceError('FN_BROKER_APPEND_FAILED', 'the log could not be written', { cause })
    } finally {
      this.#options.onAppend((performance.now() - startedMs) / 1_000)
    }
  }

  #settle(chunk: Entry[], results: AppendResult[] | Error): void {
    let firstError: Error | undefined
    let failed = 0
    let at = 0
    for (const { records, settled } of chunk) {
      const error = results instanceof Error ? results : firstErrorOf(results, at, records.length)
      at += records.length
      if (error !== undefined) {
        firstError ??= error
        failed++
      }
      settled(error)
    }
    if (firstError !== undefined) this.#options.onFailed(firstError, failed)
  }
}

function firstErrorOf(results: AppendResult[], from: number, count: number): Error | undefined {
  for (let i = from; i < from + count; i++) {
    const error = errorOf(results[i])
    if (error !== undefined) return error
  }
  return undefined
}

function errorOf(result: AppendResult | undefined): Error | undefined {
  if (result === undefined) {
    return new MillraceError(
      'FN_BROKER_APPEND_FAILED',
      'the log did not say what became of a record',
    )
  }
  return result.ok ? undefined : result.error
}
