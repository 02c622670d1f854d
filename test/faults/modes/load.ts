/** Harm that comes with the events: what fails for a while, and what fails for good. */
import type { Mode } from '../scene.ts'

const MS = 1_000

/** Poison in one event of fifty, in any of the three functions. */
export const poison: Mode = {
  name: 'poison',
  drivers: ['kafka', 'embedded'],
  times: 0,
  seconds: 30,
  settings: (usual) => ({ ...usual, load: { ...usual.load, poisonShare: 0.02 } }),
  async run(scene) {
    await scene.pause(scene.parts.seconds * MS, scene.parts.seconds * MS)
    await scene.underLoad()
  },
}

/** The second function fails for every event of that time; each is retried until it works again. */
export const subscriberDown: Mode = {
  name: 'subscriber-down',
  drivers: ['kafka', 'embedded'],
  times: 0,
  seconds: 60,
  settings: (usual, seconds) => ({
    ...usual,
    load: { ...usual.load, poisonShare: 0, down: { from: 3 * MS, until: (3 + seconds) * MS } },
    chain: { waitMs: 10, retry: { retries: retriesFor(seconds), delayMs: MS } },
  }),
  async run(scene) {
    const waitMs = (scene.parts.seconds + 6) * MS
    await scene.pause(waitMs, waitMs)
    await scene.underLoad()
  },
}

/** Linear waits of 1, 2, 3, … s that last longer than the outage, with time to spare. */
function retriesFor(seconds: number): number {
  let retries = 1
  while ((retries * (retries + 1)) / 2 < seconds * 1.5 + 10) retries++
  return retries
}
