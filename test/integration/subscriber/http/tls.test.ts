import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRunner, startSubscriber, workItem } from '../../../support/http-subscriber.ts'
import { selfSigned } from '../../../support/self-signed.ts'

test('a server whose CA is given is trusted', async (t) => {
  const tls = selfSigned()
  const { url, received } = await startSubscriber(t, (response) => response.end(), tls)
  const both = `${selfSigned().cert}${tls.cert}`
  for (const caCerts of [tls.cert, both]) {
    const { deliver } = openRunner(t, { url, caCerts })
    assert.equal((await deliver(workItem()))[0]?.status, 'done')
  }
  assert.equal(received.length, 2)
})

test('a server whose CA is not given is told nothing', async (t) => {
  const { url, received } = await startSubscriber(t, (response) => response.end(), selfSigned())
  const other = selfSigned().cert
  for (const given of [{ url }, { url, caCerts: other }]) {
    const [result] = await openRunner(t, given).deliver(workItem())
    assert.equal(result?.status, 'failed')
    assert.equal(result.fault.code, 'FN_SUBSCRIBER_UNREACHABLE')
    assert.match(result.fault.message, /self-signed certificate/)
  }
  assert.equal(received.length, 0)
})

test('a certificate must be for the host that is asked', async (t) => {
  const tls = selfSigned()
  const { url } = await startSubscriber(t, (response) => response.end(), tls)
  const byName = openRunner(t, { url: url.replace('127.0.0.1', 'localhost'), caCerts: tls.cert })
  assert.equal((await byName.deliver(workItem()))[0]?.status, 'done')
  const wrong = openRunner(t, { url: url.replace('127.0.0.1', '127.0.0.2'), caCerts: tls.cert })
  const [result] = await wrong.deliver(workItem())
  assert.equal(result?.status, 'failed')
})
