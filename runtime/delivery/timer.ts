/** Longest wait that a Node timer can take; above it fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls back after any wait, however long; gives what cancels it. Does not keep the process alive. */
export function after(waitMs: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (leftMs: number): void => {
    const next = leftMs <= MAX_TIMER_MS ? callback : (): void => wait(leftMs - MAX_TIMER_MS)
    timer = setTimeout(next, Math.min(leftMs, MAX_TIMER_MS))
    timer.unref()
  }
  wait(waitMs)
  return () => clearTimeout(timer)
}
