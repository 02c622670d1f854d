/** The steps of a flow under kills: too long for `npm test`, and `npm run test:faults -- --flow` does more. */
import { describe, it } from 'node:test'
import { FLOWS } from '../faults/flow.ts'
import { harmed } from '../faults/short-run.ts'

describe('a flow under harm (embedded log)', () => {
  for (const flow of FLOWS) {
    it(`loses nothing between its steps to kills, durable: ${flow}`, (t) =>
      harmed(t, { driver: 'embedded', mode: 'kill', times: 2, flow }))
  }
})
