/** Keeps a runtime up until a signal, then stops it cleanly; a second signal ends at once. */
import type { Runtime } from '../runtime/start.ts'
import { EXIT, say } from './output.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export async function untilStopped(runtime: { stop: Runtime['stop'] }): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      for (const signal of SIGNALS) {
        process.removeListener(signal, stop)
        // oxlint-disable-next-line unicorn/no-process-exit -- asked twice, the user wants no more waiting
        process.once(signal, () => process.exit(EXIT.interrupted))
      }
      say('stopping: finishing what runs (press Ctrl-C again to end at once)')
      resolve()
    }
    for (const signal of SIGNALS) process.once(signal, stop)
  })
  await runtime.stop()
  say('stopped')
}
