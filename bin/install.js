import { orExplain } from './hand-over.js'
import { findNode24 } from './node24.js'
import { ensureDependencies } from './setup.js'

/** Only the set-up of the other commands, for where a network is at hand now and not later. */
await orExplain(async () => {
  await ensureDependencies({ dev: true })
  await findNode24()
})
