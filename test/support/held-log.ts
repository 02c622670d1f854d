import type { AppendRecord, AppendResult } from '../../runtime/contract/broker.ts'

/** A log whose appends end when the test says so. */
export class HeldLog {
  readonly appends: AppendRecord[][] = []
  readonly #pending: Array<(results: AppendResult[] | Error) => void> = []

  append(records: AppendRecord[]): Promise<AppendResult[]> {
    this.appends.push(records)
    return new Promise((resolve, reject) => {
      this.#pending.push((results) => {
        if (results instanceof Error) reject(results)
        else resolve(results)
      })
    })
  }

  /** Ends the append in flight; `failing` says which of its records the log refuses. */
  end(failing: (record: AppendRecord) => Error | undefined = () => undefined): void {
    const records = this.appends[this.appends.length - this.#pending.length] ?? []
    this.#take()(records.map((record) => resultOf(record, failing(record))))
  }

  reject(error: Error): void {
    this.#take()(error)
  }

  #take(): (results: AppendResult[] | Error) => void {
    const end = this.#pending.shift()
    if (end === undefined) throw new Error('no append is in flight')
    return end
  }
}

/** A log in memory that takes everything at once. */
export class OpenLog {
  readonly records: AppendRecord[] = []

  append(records: AppendRecord[]): Promise<AppendResult[]> {
    this.records.push(...records)
    return Promise.resolve(records.map((record) => resultOf(record, undefined)))
  }
}

function resultOf(record: AppendRecord, error: Error | undefined): AppendResult {
  const { topic } = record
  return error === undefined
    ? { ok: true, topic, partition: 0, offset: 0 }
    : { ok: false, topic, error }
}

/** Waits for a condition that another turn of the event loop brings about. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
