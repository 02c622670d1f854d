const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000

/** Waits before another try, longer each turn (counted from 0); an abort ends the wait. Never rejects. */
export function backOff(turn: number, signal: AbortSignal): Promise<void> {
  return pause(Math.min(FIRST_PAUSE_MS * 2 ** turn, MAX_PAUSE_MS), signal)
}

/** Does not keep the process alive; an abort ends it. Never rejects. */
export function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, waitMs).unref()
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}
