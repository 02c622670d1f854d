/** Handlers that never end (cases 1 to 18 of the hostile campaign). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isMillraceError } from '../../runtime/errors.ts'
import { AttackRig, bundleOf, itemOf, manifestOf, openFunction } from '../support/isolate.ts'

let rig: AttackRig
before(async () => {
  rig = await AttackRig.open('cpu')
})
after(() => rig.close())

const STOPPED = {
  'sync-loop': 'FN_HANDLER_CPU',
  'while-await-null': 'FN_HANDLER_CPU',
  'promise-chain-starve': 'FN_HANDLER_CPU',
  'loop-after-timer': 'FN_HANDLER_CPU',
  'never-resolves': 'FN_HANDLER_DEADLOCK',
  'thenable-never': 'FN_HANDLER_DEADLOCK',
  'microtask-bomb': 'FN_HANDLER_CPU',
  redos: 'FN_HANDLER_CPU',
  'message-getter-loop': 'FN_HANDLER_CPU',
  'rejection-getter-loop': 'FN_HANDLER_CPU',
  'prepare-stack-trace-loop': 'FN_HANDLER_THREW',
  'finalization-registry': 'FN_HANDLER_THREW',
  'native-index-of': 'FN_HANDLER_CPU',
  'native-json-parse-loop': 'FN_HANDLER_CPU',
  'native-string-index-of': 'FN_HANDLER_CPU',
  'native-bigint': 'FN_HANDLER_CPU',
} as const

for (const [name, code] of Object.entries(STOPPED)) {
  test(`${name} ends as ${code}, and nobody else feels it`, async () => {
    const result = await rig.attacked.toEnd(itemOf(name))
    assert.equal(result.status, 'failed')
    assert.equal(result.status === 'failed' && result.fault.code, code)
    await rig.calm()
  })
}

test('a loop in the first stretch is accused at once, unless the machine had no time for it', async () => {
  const result = await rig.attacked.one(itemOf('sync-loop'))
  if (result.status === 'again') {
    assert.equal(rig.lines.findLast(({ fields }) => 'starved' in fields)?.fields['starved'], true)
  } else {
    assert.equal(result.status === 'failed' && result.fault.code, 'FN_HANDLER_CPU')
  }
})

test('a loop over timers ends at the deadline of its event', async () => {
  const result = await rig.attacked.toEnd(itemOf('timer-loop', { timeoutMs: 300 }))
  assert.equal(result.status === 'failed' && result.fault.code, 'FN_HANDLER_TIMEOUT')
  assert.ok(result.durationMs >= 300)
  await rig.calm()
})

test('a deadlock is found at once, long before the deadline', async () => {
  const result = await rig.attacked.one(itemOf('never-resolves'))
  assert.equal(result.status, 'failed')
  assert.ok('durationMs' in result && result.durationMs < 5_000)
})

test('a module that loops when loaded is refused, and the functions beside it load', async () => {
  const endless = await bundleOf(`for (;;) {}`)
  await assert.rejects(openFunction(rig.pool, manifestOf('hostile', 'endless'), endless), (error) =>
    isMillraceError(error, 'FN_HANDLER_INIT'),
  )
  const fine = await bundleOf(`export const handler = () => ({ type: 'fine' })`)
  const opened = await openFunction(rig.pool, manifestOf('hostile', 'late'), fine)
  assert.equal((await opened.one(itemOf('x'))).status, 'done')
  await rig.calm()
})
