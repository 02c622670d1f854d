import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Logger } from '../../../runtime/contract/log.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import {
  createHealthServer,
  type HealthServerOptions,
  type Readiness,
} from '../../../runtime/telemetry/health-server.ts'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'

const READY: Readiness = { ready: true, reasons: [], walls: ['process', 'isolate'] }

async function start(
  t: TestContext,
  options: Partial<HealthServerOptions> = {},
): Promise<{ base: string; logged: string[] }> {
  const logged: string[] = []
  const note = (_fields: unknown, message?: string): void => {
    logged.push(String(message))
  }
  const log: Logger = { debug: note, info: note, warn: note, error: note, child: () => log }
  const server = createHealthServer({
    metrics: createMetrics(),
    readiness: () => READY,
    log,
    ...options,
  })
  t.after(() => server.close())
  const { address, port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { base: `http://${address}:${port}`, logged }
}

test('/metrics answers in the text format of Prometheus', async (t) => {
  const { base } = await start(t)
  const response = await fetch(`${base}/metrics`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  assert.match(text, /^# HELP cloudevents_received_total /m)
  assert.match(text, /^process_cpu_seconds_total /m)
})

test('/healthz answers 200, to HEAD as well', async (t) => {
  const { base } = await start(t, { readiness: () => ({ ready: false, reasons: [], walls: [] }) })
  assert.equal((await fetch(`${base}/healthz`)).status, 200)
  assert.equal((await fetch(`${base}/healthz`, { method: 'HEAD' })).status, 200)
})

test('/readyz is 503 with the reasons until ready, then 200', async (t) => {
  let readiness: Readiness = { ready: false, reasons: ['no partition yet'], walls: [] }
  const { base } = await start(t, { readiness: () => readiness })
  const before = await fetch(`${base}/readyz`)
  assert.equal(before.status, 503)
  assert.deepEqual(await before.json(), readiness)
  readiness = READY
  const after = await fetch(`${base}/readyz`)
  assert.equal(after.status, 200)
  assert.equal(await after.text(), '{"ready":true,"reasons":[],"walls":["process","isolate"]}')
})

test('other paths and methods are refused with JSON', async (t) => {
  const { base } = await start(t)
  const cases: Array<[path: string, method: string, status: number, code: string]> = [
    ['/', 'GET', 404, 'FN_HTTP_NOT_FOUND'],
    ['/metrics/x', 'POST', 404, 'FN_HTTP_NOT_FOUND'],
    ['/metrics', 'POST', 405, 'FN_HTTP_METHOD_NOT_ALLOWED'],
    ['/readyz?x=1', 'DELETE', 405, 'FN_HTTP_METHOD_NOT_ALLOWED'],
    ['/%zz', 'GET', 400, 'FN_HTTP_MALFORMED'],
  ]
  for (const [path, method, status, code] of cases) {
    const response = await fetch(`${base}${path}`, { method })
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.deepEqual([response.status, error.code], [status, code], `${method} ${path}`)
    assert.equal(response.headers.get('allow'), status === 405 ? 'GET, HEAD' : null)
  }
})

test('a failure is logged and answered with 500 that gives nothing away', async (t) => {
  const { base, logged } = await start(t, {
    readiness: () => {
      throw new Error('secret detail')
    },
  })
  const response = await fetch(`${base}/readyz`)
  assert.equal(response.status, 500)
  assert.ok(!(await response.text()).includes('secret'))
  assert.equal(logged.length, 1)
})

test('a port in use is refused with what to do next', async (t) => {
  const holder = createServer()
  await new Promise<void>((resolve) => {
    holder.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => holder.close())
  const { port } = holder.address() as { port: number }
  const server = createHealthServer({
    metrics: createMetrics(),
    readiness: () => READY,
    log: silent(),
  })
  t.after(() => server.close())
  await assert.rejects(server.listen({ host: '127.0.0.1', port }), (error) => {
    assert.ok(isMillraceError(error, 'FN_HTTP_LISTEN'))
    assert.match(error.message, /--metrics-port/)
    return true
  })
})

test('close is idempotent and ends kept-alive connections', async () => {
  const server = createHealthServer({
    metrics: createMetrics(),
    readiness: () => READY,
    log: silent(),
  })
  const { address, port } = await server.listen({ host: '127.0.0.1', port: 0 })
  await (await fetch(`http://${address}:${port}/healthz`)).text()
  await Promise.all([server.close(), server.close()])
  await assert.rejects(fetch(`http://${address}:${port}/healthz`))
})

test('close does not wait for a request that never ends', async () => {
  const server = createHealthServer({
    metrics: createMetrics(),
    readiness: () => READY,
    log: silent(),
  })
  const { address, port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect(port, address)
  const closed = new Promise<void>((resolve) => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve())
  })
  await new Promise<void>((resolve) => {
    socket.write('GET /metrics HTTP/1.1\r\n', () => resolve())
  })
  // The answer on a later connection says that the server has the earlier one.
  await (await fetch(`http://${address}:${port}/healthz`)).text()
  const beganMs = performance.now()
  await server.close()
  await closed
  assert.ok(performance.now() - beganMs < 5_000, 'before the request timeout of 10 s')
})

function silent(): Logger {
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    child: () => log,
  }
  return log
}
