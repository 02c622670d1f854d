import type { ProcessedStatus } from '../contract/metrics.ts'
import { CappedLabels } from './capped-labels.ts'
import { DurationHistogram } from './duration-histogram.ts'

interface Processed {
  byStatus: Record<ProcessedStatus, number>
  durations: DurationHistogram
}

/**
 * The guide's three metrics, whose labels come from events. One for the process: they carry no trigger.
 * Hot: `received` and `processed` cost two or three map lookups for labels already seen.
 */
export class EventCounters {
  readonly #types = new CappedLabels()
  readonly #sources = new CappedLabels()
  readonly #received = new Map<string, Map<string, { count: number }>>()
  readonly #processed = new Map<string, Processed>()

  received(type: string, source: string): void {
    const cell = this.#received.get(type)?.get(source) ?? this.#receivedCell(type, source)
    cell.count++
  }

  processed(type: string, status: ProcessedStatus, seconds: number): void {
    const row = this.#processed.get(type) ?? this.#processedRow(this.#types.admit(type))
    row.byStatus[status]++
    row.durations.observe(seconds)
  }

  *receivedCells(): Generator<{ type: string; source: string; count: number }> {
    for (const [type, bySource] of this.#received) {
      for (const [source, { count }] of bySource) yield { type, source, count }
    }
  }

  processedRows(): Iterable<[type: string, row: Processed]> {
    return this.#processed
  }

  #receivedCell(type: string, source: string): { count: number } {
    const bySource = getOrAdd(this.#received, this.#types.admit(type), newCells)
    return getOrAdd(bySource, this.#sources.admit(source), newCell)
  }

  #processedRow(type: string): Processed {
    return getOrAdd(this.#processed, type, newProcessed)
  }
}

function getOrAdd<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

const newCell = (): { count: number } => ({ count: 0 })
const newCells = (): Map<string, { count: number }> => new Map()
const newProcessed = (): Processed => ({
  byStatus: { success: 0, error: 0, dropped: 0 },
  durations: new DurationHistogram(),
})
