import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedBroker } from '../../../runtime/broker/embedded/broker.ts'
import type { Broker } from '../../../runtime/contract/broker.ts'
import { brokerContract } from '../../support/broker-contract.ts'
import type { BrokerUnderTest } from '../../support/broker-contract/opening.ts'

async function open(): Promise<BrokerUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-log-'))
  const openLog = (): Promise<Broker> =>
    createEmbeddedBroker({ dir, retention: { checkEveryMs: 50 } })
  let last = await openLog()
  return {
    broker: last,
    async reopen() {
      await last.close()
      last = await openLog()
      return last
    },
    // Records older than the topic's `retention.ms` go at the next check.
    async expire() {},
    async close() {
      await last.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

brokerContract('the embedded log', open)
