import { setTimeout as delay } from 'node:timers/promises'

/**
 * Polls until `check` holds (or returns a value), for a minute by default; an error it throws counts as
 * "not yet" and is the cause in the end.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  what: string,
  deadlineMs = 60_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + deadlineMs
  let cause: unknown
  for (;;) {
    try {
      const value = await check()
      if (value) return value
    } catch (error) {
      cause = error
    }
    if (Date.now() > deadline) throw new Error(`not in ${deadlineMs} ms: ${what}`, { cause })
    await delay(20)
  }
}
