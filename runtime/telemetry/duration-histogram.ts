import { DURATION_BUCKETS_SECONDS } from './metric-names.ts'

/** Observations in plain numbers; cumulated only when it is read. */
export class DurationHistogram {
  readonly #counts: number[] = [...DURATION_BUCKETS_SECONDS.map(() => 0), 0]
  #sum = 0

  observe(seconds: number): void {
    let bucket = 0
    while (
      bucket < DURATION_BUCKETS_SECONDS.length &&
      seconds > (DURATION_BUCKETS_SECONDS[bucket] as number)
    ) {
      bucket++
    }
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sum += seconds
  }

  /** Count of the observations at most as large as each bound, `+Inf` last. */
  snapshot(): { buckets: Array<{ le: string; count: number }>; sum: number; count: number } {
    let count = 0
    const buckets = this.#counts.map((n, index) => {
      count += n
      const bound = DURATION_BUCKETS_SECONDS[index]
      return { le: bound === undefined ? '+Inf' : String(bound), count }
    })
    return { buckets, sum: this.#sum, count }
  }
}
