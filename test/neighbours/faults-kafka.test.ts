/** Whole runtimes on Kafka under harm; `npm run test:faults` does more of it. */
import { describe, it, type TestContext } from 'node:test'
import { harmed } from '../faults/short-run.ts'
import { kafkaForTests } from '../support/kafka.ts'

describe('under harm (Kafka)', () => {
  const kafka = kafkaForTests()
  const on = (mode: string, times: number) => (t: TestContext) =>
    harmed(t, { driver: 'kafka', mode, times, seconds: 3, kafka: kafka.cluster })
  it('loses nothing to kills', kafka.needed, on('kill', 3))
  it('loses nothing to a process that wakes up as a zombie', kafka.needed, on('freeze', 1))
  it('loses nothing to poison', kafka.needed, on('poison', 0))
})
