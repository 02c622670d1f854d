/**
 * Runs the embedded log on a disk that gets full and has room again, in the given directory on a small
 * file system of its own. Prints `pass`, or throws what was wrong.
 */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEmbeddedBroker } from '../../runtime/broker/embedded/broker.ts'
import type {
  AppendRecord,
  AppendResult,
  Broker,
  Transaction,
} from '../../runtime/contract/broker.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import { readToEnd, textsOf } from './broker-contract/reading.ts'
import { eventually } from './eventually.ts'

const BALLAST_BYTES = 14 << 20
const RECORD_BYTES = 32 << 10
const TOO_LARGE_BYTES = 8 << 20
const at = { topic: 'filling', partition: 0 }
const group = 'progress'
const [disk = ''] = process.argv.slice(2)
const dir = join(disk, 'log')
const ballast = join(disk, 'ballast')

writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES))
let broker = await createEmbeddedBroker({ dir })
await broker.ensureTopic(at.topic, { partitions: 2 })

const written = await fill(broker)
assert.ok(written > 10, `${written} appends before the disk was full`)
assert.match(String(broker.trouble()), /full/)
await assertHolds(broker, written)
assert.match(String(broker.trouble()), /full/)

const transactor = await broker.transactor({ id: 'writer' })
const tooLarge = { ...recordOf(written), value: 'x'.repeat(TOO_LARGE_BYTES), partitionBy: 1 }
await assert.rejects(transactor.transact(transactionOf(written, [tooLarge])), (error: unknown) => {
  assert.ok(isMillraceError(error, 'FN_BROKER_TRANSACTION_FAILED'), String(error))
  assert.match(error.message, /full/)
  return true
})
await assertHolds(broker, written)
assert.equal((await broker.committed(group, [at]))[0]?.offset, undefined)

// Nothing is appended now: the log has to find out by itself.
rmSync(ballast)
await eventually(() => broker.trouble() === undefined, 'the end of the trouble')
const [result] = await broker.append([recordOf(written)])
assert.deepEqual(result, { ok: true, ...at, offset: written })
await assertHolds(broker, written + 1)
await assert.rejects(transactor.transact({ records: [] }), { code: 'FN_BROKER_TRANSACTION_FAILED' })
await (await broker.transactor({ id: 'writer' })).transact(transactionOf(written + 1))

await broker.close()
broker = await createEmbeddedBroker({ dir })
await assertHolds(broker, written + 2)
assert.equal((await broker.committed(group, [at]))[0]?.offset, written + 1)
await broker.close()
process.stdout.write('pass\n')

/** Appends two records at a time, to two partitions, until one append fails whole. */
async function fill(on: Broker): Promise<number> {
  for (let count = 0; ; count++) {
    const elsewhere = { ...recordOf(count), partitionBy: 1 }
    const results = await on.append([recordOf(count), elsewhere])
    if (results.every((one) => one.ok)) continue
    for (const one of results) assertFailed(one)
    return count
  }
}

function assertFailed(one: AppendResult): void {
  assert.ok(!one.ok)
  assert.ok(isMillraceError(one.error, 'FN_BROKER_APPEND_FAILED'), String(one.error))
  assert.match(one.error.message, /full/)
}

async function assertHolds(on: Broker, count: number): Promise<void> {
  const texts = textsOf(await readToEnd(on, at)).map((text) => text.trimEnd())
  assert.deepEqual(
    texts,
    Array.from({ length: count }, (_, i) => String(i)),
  )
  assert.deepEqual(await on.ranges([at]), [{ ...at, start: 0, end: count }])
}

/** A record, an offset, and what else is given. */
function transactionOf(count: number, more: AppendRecord[] = []): Transaction {
  const offsets = [{ ...at, offset: count }]
  return { records: [recordOf(count), ...more], commits: [{ group, offsets }] }
}

function recordOf(count: number): AppendRecord {
  const value = String(count).padEnd(RECORD_BYTES)
  return { topic: at.topic, key: null, value, headers: [], partitionBy: at.partition }
}
