import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { readBody, type Body } from '../../../runtime/ingress/body.ts'
import { ByteBudget } from '../../../runtime/ingress/byte-budget.ts'
import { until } from '../../support/held-log.ts'

function start(maxBytes: number): { stream: PassThrough; budget: ByteBudget; bodies: Body[] } {
  const stream = new PassThrough()
  const budget = new ByteBudget(100)
  const bodies: Body[] = []
  readBody(stream, { maxBytes, budget }, (body) => bodies.push(body))
  return { stream, budget, bodies }
}

test('a body comes as it is, and its bytes stay counted', async () => {
  const { stream, budget, bodies } = start(10)
  stream.write('abc')
  stream.end(Buffer.from([0xff, 0]))
  await until(() => bodies.length === 1, 'it is read')
  assert.deepEqual(bodies, [{ bytes: Buffer.from([97, 98, 99, 0xff, 0]) }])
  assert.equal(budget.usedBytes, 5)
})

test('a body is refused once it grows too large, before its end, and the rest is thrown away', async () => {
  const { stream, budget, bodies } = start(10)
  stream.write('12345')
  stream.write('678901')
  await until(() => bodies.length === 1, 'it is refused')
  assert.ok(bodies[0] !== undefined && 'refused' in bodies[0])
  assert.equal(bodies[0].refused.code, 'FN_EVENT_TOO_LARGE')
  assert.equal(budget.usedBytes, 0)
  stream.end(Buffer.alloc(1_000_000))
  await once(stream, 'end')
  assert.equal(bodies.length, 1)
  assert.equal(budget.usedBytes, 0)
})

test('a small body does not keep the read buffer of its socket alive', async () => {
  const { stream, bodies } = start(10)
  const readBuffer = Buffer.alloc(64 * 1024)
  stream.end(readBuffer.subarray(5, 8))
  await until(() => bodies.length === 1, 'it is read')
  assert.ok(bodies[0] !== undefined && 'bytes' in bodies[0])
  assert.equal(bodies[0].bytes.length, 3)
  assert.notEqual(bodies[0].bytes.buffer, readBuffer.buffer)
})
