import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isMillraceError } from '../../runtime/errors.ts'
import { openProbe, readMetadata, type Probe } from '../../runtime/isolate/probe.ts'
import { bundleOf } from '../support/isolate.ts'

let probe: Probe
before(async () => {
  probe = await openProbe()
})
after(() => probe.close())

test('a probe reads the exports and the metadata of several bundles with one process', async () => {
  const metadata = { triggers: [{ broker: 'events/b' }], limits: { cpuMs: 5 } }
  const one = await bundleOf(`
    export const metadata = ${JSON.stringify(metadata)}
    export const handler = () => {}
  `)
  const other = await bundleOf(`export const handler = () => {}`)
  assert.deepEqual(await probe.read(one), { metadata, exports: ['handler', 'metadata'] })
  assert.deepEqual(await probe.read(other), { metadata: null, exports: ['handler'] })
})

test('a module that throws is told with its own file and line', async () => {
  const bundle = await bundleOf(`
    const settings = undefined
    export const metadata = settings.value
  `)
  await assert.rejects(probe.read(bundle), (error) => {
    assert.ok(isMillraceError(error, 'FN_HANDLER_INIT'))
    assert.match(error.message, /TypeError/)
    assert.match(String(error.detail['stack']), /fixture\.ts:3:/)
    assert.doesNotMatch(String(error.detail['stack']), /\[stdin\]|millrace:kernel/)
    return true
  })
})

test('a module that loops is cut off, one in a native loop with its process, and both leave the probe usable', async () => {
  const endless = await bundleOf(`for (;;) {}`)
  await assert.rejects(probe.read(endless, { timeoutMs: 100 }), /ran longer than 100 ms/)
  const native = await bundleOf(`Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)`)
  await assert.rejects(probe.read(native, { timeoutMs: 100 }), /did not stop/)
  const fine = await bundleOf(`export const metadata = { fine: true }`)
  assert.deepEqual((await probe.read(fine)).metadata, { fine: true })
})

test('metadata whose toJSON loops is cut off too', async () => {
  const bundle = await bundleOf(`export const metadata = { toJSON() { for (;;) {} } }`)
  await assert.rejects(readMetadata(bundle, { timeoutMs: 100 }), /ran longer than 100 ms/)
})

test('a module finds neither Node nor code from strings', async () => {
  const bundle = await bundleOf(`
    const attempt = (run) => { try { return String(run()) } catch (error) { return error.name } }
    export const metadata = [
      typeof process, typeof globalThis.require, typeof WebAssembly, typeof SharedArrayBuffer, typeof eval,
      attempt(() => Function('return 1')()),
      attempt(() => (async () => {}).constructor('return 1')()),
      attempt(() => new ArrayBuffer(8, { maxByteLength: 16 })),
    ]
  `)
  const { metadata } = await probe.read(bundle)
  assert.deepEqual(metadata, [
    'undefined',
    'undefined',
    'undefined',
    'undefined',
    'undefined',
    'EvalError',
    'EvalError',
    'RangeError',
  ])
})
