import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createEmbeddedBroker } from '../../../../runtime/broker/embedded/broker.ts'
import type { LogRecord } from '../../../../runtime/contract/broker.ts'
import { readToEnd } from '../../../support/broker-contract/reading.ts'

const APPENDER = new URL('../../../support/embedded-appender.ts', import.meta.url).pathname
const TOPIC = 'load'
const ROUNDS = 4

interface Acknowledged {
  /** By partition: one past the highest offset. */
  appended: Map<number, number>
  /** By partition: the last offset committed. */
  committed: Map<number, number>
}

test('After SIGKILL under load every acknowledged record is there, in order, once', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  for (let round = 0; round < ROUNDS; round++) {
    const killAfter = randomInt(1, 400)
    const { appended, committed } = await runUntilKilled(dir, killAfter)
    const broker = await createEmbeddedBroker({ dir })
    t.after(() => broker.close())
    for (const [partition, end] of appended) {
      const records = await readToEnd(broker, { topic: TOPIC, partition })
      const where = `round ${round}, killed after ${killAfter}, partition ${partition}`
      assert.ok(records.length >= end, `${where}: ${records.length} of ${end} are there`)
      assert.deepEqual(
        records.map((record) => record.offset),
        [...records.keys()],
        where,
      )
      assertWholeBatches(records, where)
      const [group] = await broker.committed('progress', [{ topic: TOPIC, partition }])
      assert.ok((group?.offset ?? 0) >= (committed.get(partition) ?? 0), `${where}: its commit`)
    }
    await broker.close()
  }
})

/** Kills the appender when it has acknowledged so many appends, wherever it is then. */
async function runUntilKilled(dir: string, acknowledgements: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [APPENDER, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const seen: Acknowledged = { appended: new Map(), committed: new Map() }
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, partition, offset] = line.split(' ')
    const into = what === 'a' ? seen.appended : seen.committed
    into.set(Number(partition), Math.max(into.get(Number(partition)) ?? 0, Number(offset)))
    count += 1
    if (count === acknowledgements) child.kill('SIGKILL')
  }
  const [, signal] = await exited
  assert.equal(signal, 'SIGKILL', 'it ran until it was killed')
  return seen
}

/** An append is there whole or not at all, and nobody else's records stand in it. */
function assertWholeBatches(records: readonly LogRecord[], where: string): void {
  for (let at = 0; at < records.length;) {
    const size = Number(String(records[at]?.value).split('/')[0])
    for (let i = 0; i < size; i++) {
      const value = String(records[at + i]?.value)
      assert.ok(value.startsWith(`${size}/${i}/`), `${where}, offset ${at + i}: ${value}`)
    }
    at += size
  }
}
