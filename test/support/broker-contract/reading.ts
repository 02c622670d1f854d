import type { Broker, LogRecord, TopicPartition } from '../../../runtime/contract/broker.ts'

const EVENTUALLY_MS = 20_000
const POLL_MS = 20

/** Reads the partition from `from` to the end that it has when the reading gets there. */
export async function readToEnd(
  broker: Broker,
  at: TopicPartition,
  from = 0,
  maxBytes?: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  const options = maxBytes === undefined ? {} : { maxBytes }
  for (let position = from; ;) {
    const batch = await broker.read(at, position, options)
    records.push(...batch.records)
    if (batch.next >= batch.end) return records
    if (batch.next <= position) throw new Error(`Reading stands still at ${position}`)
    position = batch.next
  }
}

export function textsOf(records: readonly LogRecord[]): string[] {
  return records.map((record) => String(record.value))
}

/** Asks again until the answer satisfies; throws with the last answer when the time is up. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  satisfies: (answer: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + EVENTUALLY_MS
  for (;;) {
    const answer = await ask()
    if (satisfies(answer)) return answer
    if (performance.now() > deadline) {
      throw new Error(
        `${what} did not come about in ${EVENTUALLY_MS} ms: ${JSON.stringify(answer)}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
