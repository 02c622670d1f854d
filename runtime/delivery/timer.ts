/** Longest wait that a Node timer can take; above it fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls back after any wait, however long. Does not keep the process alive. */
export function after(waitMs: number, callback: () => void): void {
  if (waitMs <= MAX_TIMER_MS) {
    setTimeout(callback, waitMs).unref()
  } else {
    setTimeout(() => after(waitMs - MAX_TIMER_MS, callback), MAX_TIMER_MS).unref()
  }
}
