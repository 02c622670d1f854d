/** The same test on both logs: `forEachDriver` makes a `describe` for each. */
import { describe } from 'node:test'
import { kafkaForTests } from './kafka.ts'

export interface DriverUnderTest {
  name: 'embedded' | 'kafka'
  /** Give it to each `it`. */
  needed: { skip: string | false }
  /** Flags for `fn start` and the operator commands, valid while tests run. */
  flags(): string[]
}

export function forEachDriver(title: string, tests: (driver: DriverUnderTest) => void): void {
  describe(`${title} (embedded log)`, () => {
    tests({ name: 'embedded', needed: { skip: false }, flags: () => [] })
  })
  describe(`${title} (Kafka)`, () => {
    const kafka = kafkaForTests()
    tests({
      name: 'kafka',
      needed: kafka.needed,
      flags: () => ['--brokers', kafka.cluster.bootstrap, '--partitions', '4'],
    })
  })
}
