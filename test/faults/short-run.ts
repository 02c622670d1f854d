/** The short form of `npm run test:faults`, for tests: little harm of each kind, the same checker. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { lastLine } from '../invariants/ledger.ts'
import type { Flow } from './flow.ts'
import { MODES } from './modes/all.ts'
import { runMode } from './run-mode.ts'
import type { Driver } from './scene.ts'
import { verdict } from './verdict.ts'
import type { KafkaCluster } from '../support/kafka.ts'

export interface ShortRun {
  driver: Driver
  mode: string
  times?: number
  seconds?: number
  kafka?: KafkaCluster
  flow?: Flow
}

export async function harmed(t: TestContext, short: ShortRun): Promise<void> {
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
    flow: short.flow,
    tell: () => {},
  })
  // How much flowed depends on the machine: it is told here, and demanded by the full run.
  const { ok, text } = verdict(result)
  t.diagnostic(`seed ${seed}: ${lastLine(result.findings)}`)
  assert.ok(ok, `seed ${seed}\n${text}`)
}
