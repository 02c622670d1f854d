/** Whole runtimes on the embedded log under harm; `npm run test:faults` does more of it. */
import { describe, it } from 'node:test'
import { harmed } from '../faults/short-run.ts'

describe('under harm (embedded log)', () => {
  it('loses nothing to kills', (t) => harmed(t, { driver: 'embedded', mode: 'kill', times: 3 }))
  it('loses nothing to poison', (t) =>
    harmed(t, { driver: 'embedded', mode: 'poison', seconds: 3 }))
})
