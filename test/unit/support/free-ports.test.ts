import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { freePorts } from '../../support/free-ports.ts'

test('ports are not given twice, nor while somebody listens on them', async (t) => {
  const first = await freePorts(3)
  const held = createServer().listen(Math.max(...first) + 1, '127.0.0.1')
  t.after(() => held.close())
  await once(held, 'listening')
  const { port } = held.address() as { port: number }
  const next = await freePorts(3)
  assert.equal(new Set([...first, ...next]).size, 6)
  assert.ok(!next.includes(port), `${port} in ${next.join()}`)
})
