/** Keeps a runtime up until a signal, then stops it cleanly; a second wish ends at once. */
import type { Runtime } from '../runtime/start.ts'
import { EXIT, say } from './output.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/**
 * One Ctrl-C reaches this process up to three times: from the terminal, and forwarded by npm and by the
 * process that handed over to this one. What comes within this time is the same wish.
 */
const SAME_WISH_MS = 1_000

export async function untilStopped(runtime: { stop: Runtime['stop'] }): Promise<void> {
  await new Promise<void>((resolve) => {
    let firstAt: number | undefined
    const wish = (): void => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        say('stopping: finishing what runs (press Ctrl-C again to end at once)')
        resolve()
      } else if (performance.now() - firstAt > SAME_WISH_MS) {
        // oxlint-disable-next-line unicorn/no-process-exit -- asked twice, the user wants no more waiting
        process.exit(EXIT.interrupted)
      }
    }
    for (const signal of SIGNALS) process.on(signal, wish)
  })
  await runtime.stop()
  say('stopped')
}
