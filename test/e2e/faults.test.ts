/** The short form of `npm run test:faults`: little harm of each kind, the same checker. */
import { it, describe, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { lastLine } from '../invariants/ledger.ts'
import { MODES } from '../faults/modes/all.ts'
import { runMode } from '../faults/run-mode.ts'
import type { Driver } from '../faults/scene.ts'
import { verdict } from '../faults/verdict.ts'
import { kafkaForTests, type KafkaCluster } from '../support/kafka.ts'

interface Short {
  driver: Driver
  mode: string
  times?: number
  seconds?: number
  kafka?: KafkaCluster
}

async function harmed(t: TestContext, short: Short): Promise<void> {
  const mode = MODES.find(({ name }) => name === short.mode)
  assert.ok(mode, short.mode)
  const seed = Math.floor(Math.random() * 2 ** 31)
  const result = await runMode(t, {
    mode,
    driver: short.driver,
    seed,
    times: short.times ?? 0,
    seconds: short.seconds ?? 0,
    exactlyOnce: false,
    console: false,
    kafka: short.kafka,
    tell: () => {},
  })
  // How much flowed depends on the machine: it is told here, and demanded by the full run.
  const { ok, text } = verdict(result)
  t.diagnostic(`seed ${seed}: ${lastLine(result.findings)}`)
  assert.ok(ok, `seed ${seed}\n${text}`)
}

describe('under harm (embedded log)', () => {
  it('loses nothing to kills', (t) => harmed(t, { driver: 'embedded', mode: 'kill', times: 3 }))
  it('loses nothing to poison', (t) =>
    harmed(t, { driver: 'embedded', mode: 'poison', seconds: 3 }))
})

describe('under harm (Kafka)', () => {
  const kafka = kafkaForTests()
  const on = (mode: string, times: number) => (t: TestContext) =>
    harmed(t, { driver: 'kafka', mode, times, seconds: 3, kafka: kafka.cluster })
  it('loses nothing to kills', kafka.needed, on('kill', 3))
  it('loses nothing to a process that wakes up as a zombie', kafka.needed, on('freeze', 1))
  it('loses nothing to poison', kafka.needed, on('poison', 0))
})
