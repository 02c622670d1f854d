/** Handlers that take memory without end, or flood what is around them (cases 19 to 31). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { WorkResult } from '../../runtime/contract/work.ts'
import { AttackRig, itemOf } from '../support/isolate.ts'

/** What the watch allows functions of 32 and 64 MiB, and 50 MiB for how late it may look. */
const RSS_BOUND_MIB = 80 + 64 + (32 + 32) + (64 + 32) + 50

let rig: AttackRig
before(async () => {
  // Time enough for memory to be what runs out first.
  rig = await AttackRig.open('memory', { memoryMiB: 32, cpuMs: 3_000 })
})
after(() => rig.close())

const codeOf = (result: WorkResult): string =>
  result.status === 'failed' ? result.fault.code : result.status

const MEMORY = ['FN_HANDLER_MEMORY', 'FN_HANDLER_CRASHED']
const ENDS = {
  'array-objects': MEMORY,
  'map-growth': MEMORY,
  // So slow on a busy machine that its time may run out first.
  'object-keys': [...MEMORY, 'FN_HANDLER_CPU'],
  'spread-string': MEMORY,
  'finally-retry': MEMORY,
}

for (const [name, codes] of Object.entries(ENDS)) {
  test(`${name} ends for its memory, and nobody else feels it`, async () => {
    const result = await rig.attacked.toEnd(itemOf(name))
    assert.ok(codes.includes(codeOf(result)), `${name} ended as ${codeOf(result)}`)
    await rig.calm()
    assert.ok(rig.peakRssMiB < RSS_BOUND_MIB, `a worker had ${rig.peakRssMiB} MiB`)
  })
}

test('a leak over 400 events costs isolates, not events of others', async () => {
  const items = Array.from({ length: 400 }, () => itemOf('global-leak'))
  const results = await Promise.all(items.map((item) => rig.attacked.toEnd(item)))
  const codes = new Set(results.map(codeOf))
  codes.delete('FN_HANDLER_MEMORY')
  assert.deepEqual([...codes], ['done'])
  await rig.calm()
})

test('replies of 20 and 100 MB fail as too large or for their memory, and do not reach the supervisor', async () => {
  const rssBefore = process.memoryUsage.rss()
  for (const name of ['return-20-mb', 'return-100-mb']) {
    const result = await rig.attacked.toEnd(itemOf(name))
    assert.match(codeOf(result), /FN_HANDLER_REPLY_TOO_LARGE|FN_HANDLER_MEMORY/)
  }
  assert.ok(process.memoryUsage.rss() - rssBefore < 50 * 1024 * 1024)
  await rig.calm()
})

test('a million log lines are cut to 64 KiB with a mark', async () => {
  const result = await rig.attacked.toEnd(itemOf('log-flood'))
  assert.equal(result.status, 'done')
  const chars = result.logs.reduce((sum, line) => sum + line.message.length, 0)
  assert.ok(chars <= 64 * 1024 + 100)
  assert.match(result.logs.at(-1)?.message ?? '', /left out/)
  await rig.calm()
})

test('more timers than an isolate may have are a RangeError', async () => {
  const result = await rig.attacked.toEnd(itemOf('timer-flood'))
  assert.equal(result.status === 'failed' && result.fault.class, 'RangeError')
  await rig.calm()
})
