import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ApiServer, RefusedError } from '../../../../k8s/controller/api-server.ts'

const SIGNAL = new AbortController().signal

test('a stream whose answer does not begin is given up', async (t) => {
  const api = await answering(t, () => {})
  const lines = api.lines('/watch', { idleMs: 50, signal: SIGNAL })
  await assert.rejects(lines.next(), { message: 'no answer came for 0.05 s' })
})

test('a stream on which nothing comes any more is given up', async (t) => {
  const api = await answering(t, (_request, response) => response.write('one\n'))
  const lines = api.lines('/watch', { idleMs: 2_000, signal: SIGNAL })
  assert.deepEqual(await lines.next(), { done: false, value: 'one' })
  await assert.rejects(lines.next(), { message: 'nothing came for 2 s' })
})

test('a stream that is refused tells the status and the reason', async (t) => {
  const api = await answering(t, (_request, response) => {
    response.writeHead(410).end('{"message":"too old resource version"}')
  })
  const lines = api.lines('/watch', { idleMs: 60_000, signal: SIGNAL })
  await assert.rejects(lines.next(), (error) => {
    assert.ok(error instanceof RefusedError)
    assert.equal(error.status, 410)
    assert.match(error.message, /too old resource version/)
    return true
  })
})

async function answering(t: TestContext, listener: RequestListener): Promise<ApiServer> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-api-'))
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  const file = join(folder, 'config')
  const { port } = server.address() as AddressInfo
  const config = {
    clusters: [
      {
        name: 'test',
        cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
      },
    ],
    users: [{ name: 'test', user: {} }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
  await writeFile(file, JSON.stringify(config))
  return new ApiServer(file)
}
