/** Reads a runtime's metrics all the time and holds its books against each other at every scrape. */
import { setTimeout as delay } from 'node:timers/promises'

const EVERY_MS = 200
const ANSWER_DEADLINE_MS = 2_000
const SAMPLE = /^(\w+)(?:\{(.*)\})? ([-+.\deE]+)$/
const TRIGGER = /trigger="([^"]*)"/

export interface Scrape {
  /** Records that were consumed and have no outcome yet, over all triggers that count. */
  inFlight: number
  assignedPartitions: number
  /** Per trigger: consumed - outcomes - in flight. */
  books: ReadonlyMap<string, number>
}

export class Scraper {
  readonly #url: string
  readonly #counted: string | undefined
  readonly #stop = new AbortController()
  readonly problems: string[] = []
  scrapes = 0
  latest: Scrape = { inFlight: 0, assignedPartitions: 0, books: new Map() }

  constructor(metricsUrl: string, counted?: string) {
    this.#url = `${metricsUrl}/metrics`
    this.#counted = counted
    void this.#run()
  }

  stop(): void {
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const text = await this.#fetch()
      if (text !== undefined) this.#take(readScrape(text, this.#counted))
      await delay(EVERY_MS)
    }
  }

  #take(scrape: Scrape): void {
    this.scrapes++
    this.latest = scrape
    for (const [trigger, difference] of scrape.books) {
      if (difference === 0) continue
      this.problems.push(`${trigger}: consumed - outcomes - in flight = ${difference} in a scrape`)
    }
  }

  async #fetch(): Promise<string | undefined> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_DEADLINE_MS)])
    try {
      return await (await fetch(this.#url, { signal })).text()
    } catch {
      return undefined // killed, frozen or stopping: there is no scrape to judge
    }
  }
}

/** `counted`: the only trigger whose records in flight count; all if it is undefined. */
export function readScrape(text: string, counted?: string): Scrape {
  const books = new Map<string, number>()
  let inFlight = 0
  let assignedPartitions = 0
  for (const line of text.split('\n')) {
    const [, name, labels = '', digits] = SAMPLE.exec(line) ?? []
    const value = Number(digits)
    const trigger = TRIGGER.exec(labels)?.[1] ?? ''
    if (name === 'millrace_assigned_partitions') assignedPartitions = value
    const counts = counted === undefined || counted === trigger
    if (name === 'millrace_in_flight' && counts) inFlight += value
    const isOut = name === 'millrace_in_flight' || name === 'millrace_outcomes_total'
    if (!isOut && name !== 'millrace_records_consumed_total') continue
    books.set(trigger, (books.get(trigger) ?? 0) + (isOut ? -value : value))
  }
  return { inFlight, assignedPartitions, books }
}
