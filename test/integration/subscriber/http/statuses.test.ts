import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../../../../runtime/contract/outcome.ts'
import type { WorkResult } from '../../../../runtime/contract/work.ts'
import { retryOf } from '../../../../runtime/errors.ts'
import { openRunner, startSubscriber, workItem } from '../../../support/http-subscriber.ts'

function faultOf(result: WorkResult | undefined): Fault {
  assert.equal(result?.status, 'failed')
  return result.fault
}

test('W1 what each status means, by the table of Knative: 410 too is not tried again', async (t) => {
  const { url } = await startSubscriber(t, (response, { headers }) => {
    response.writeHead(Number(headers['ce-status'])).end()
  })
  const { deliver } = openRunner(t, { url })
  const meanings = new Map<number, string>()
  const statuses = Array.from({ length: 399 }, (_, i) => 200 + i)
  const results = await deliver(
    ...statuses.map((status) =>
      workItem({
        event: {
          attributes: { specversion: '1.0', id: '1', source: '/s', type: 't', status },
          data: undefined,
        },
      }),
    ),
  )
  for (const [i, result] of results.entries()) {
    const meaning = result.status === 'failed' ? result.fault.code : result.status
    meanings.set(statuses[i] as number, meaning)
    if (result.status !== 'failed') continue
    assert.equal(result.fault.response?.status, statuses[i])
    assert.equal(result.fault.class, `Http${statuses[i]}`)
  }
  const retried = [404, 408, 409, 429]
  for (const [status, meaning] of meanings) {
    const expected =
      status < 300
        ? 'done'
        : status >= 500 || retried.includes(status)
          ? 'FN_SUBSCRIBER_FAILED'
          : 'FN_SUBSCRIBER_REFUSED'
    assert.equal(meaning, expected, String(status))
  }
  assert.equal(meanings.get(410), 'FN_SUBSCRIBER_REFUSED')
  assert.equal(retryOf('FN_SUBSCRIBER_FAILED'), 'backoff')
  assert.equal(retryOf('FN_SUBSCRIBER_REFUSED'), 'never')
})

test('W1 a redirect is refused and not followed', async (t) => {
  const { received, url } = await startSubscriber(t, (response) => {
    response.writeHead(307, { location: '/elsewhere' }).end()
  })
  const fault = faultOf((await openRunner(t, { url }).deliver(workItem()))[0])
  assert.equal(fault.code, 'FN_SUBSCRIBER_REFUSED')
  assert.match(fault.message, /307 Temporary Redirect.*not followed.*\/elsewhere/)
  assert.equal(received.length, 1)
})

test('Retry-After of 429 and 503 is heard in both forms, and of no other status', async (t) => {
  const { url } = await startSubscriber(t, (response, { headers }) => {
    const { status, after } = JSON.parse(decodeURIComponent(String(headers['ce-subject']))) as Asked
    response.writeHead(status, { 'retry-after': after }).end()
  })
  interface Asked {
    status: number
    after: string
  }
  const { deliver } = openRunner(t, { url })
  const waitOf = async (status: number, after: string): Promise<number | undefined> => {
    const subject = JSON.stringify({ status, after })
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't', subject }
    const item = workItem({ event: { attributes, data: undefined } })
    return faultOf((await deliver(item))[0]).retryAfterMs
  }
  assert.equal(await waitOf(429, '7'), 7_000)
  assert.equal(await waitOf(503, '0'), 0)
  const inOneMinute = new Date(Date.now() + 60_000).toUTCString()
  for (const status of [429, 503]) {
    const waitMs = await waitOf(status, inOneMinute)
    assert.ok(waitMs !== undefined && waitMs > 40_000 && waitMs <= 60_000, String(waitMs))
  }
  for (const status of [500, 404, 408, 400, 302]) assert.equal(await waitOf(status, '7'), undefined)
  assert.equal(await waitOf(503, 'later'), undefined)
})

test('a fault has what was answered, cut to 1,024 bytes', async (t) => {
  const body = Buffer.concat([Buffer.from('out of stock\n\u0007'), Buffer.alloc(5_000, 'x')])
  const { url } = await startSubscriber(t, (response) => {
    response.writeHead(500, { 'kne-Reason': 'stock', 'kne-data': 'no', other: 'x' }).end(body)
  })
  const fault = faultOf((await openRunner(t, { url }).deliver(workItem()))[0])
  const { response } = fault
  assert.equal(response?.dest, url)
  assert.equal(response.status, 500)
  assert.deepEqual(Buffer.from(response.body ?? '', 'base64'), body.subarray(0, 1_024))
  assert.deepEqual(response.extensions, { reason: 'stock' })
  assert.match(
    fault.message,
    /^subscriber events\/pricer at http.* answered 500 Internal Server Error: out of stock x+…$/,
  )
})

test('a subscriber that is known by its address alone is named once, without its query', async (t) => {
  const { url } = await startSubscriber(t, (response) => response.writeHead(500).end())
  const address = `${url}?key=secret`
  const fault = faultOf(
    (await openRunner(t, { url: address, name: address }).deliver(workItem()))[0],
  )
  assert.equal(fault.message, `subscriber ${url} answered 500 Internal Server Error`)
})

test('an empty body and no kne- headers leave nothing', async (t) => {
  const { url } = await startSubscriber(t, (response) => response.writeHead(400, 'Nope').end())
  const fault = faultOf(
    (await openRunner(t, { url: `${url}?token=secret` }).deliver(workItem()))[0],
  )
  assert.deepEqual(fault.response, { dest: `${url}?token=secret`, status: 400 })
  assert.match(fault.message, /answered 400 Nope; only 404, 408, 409, 429 and 5xx are tried again$/)
  assert.ok(!fault.message.includes('secret'))
})

test('an error without end costs its connection, not its length', async (t) => {
  const gone = Promise.withResolvers<void>()
  const { url } = await startSubscriber(t, (response) => {
    response.on('close', () => gone.resolve())
    response.writeHead(502)
    const more = (): void => {
      if (!response.destroyed) response.write(Buffer.alloc(65_536, 'x'), more)
    }
    more()
  })
  const { deliver } = openRunner(t, { url })
  const fault = faultOf((await deliver(workItem({ timeoutMs: 600_000 })))[0])
  assert.equal(fault.code, 'FN_SUBSCRIBER_FAILED')
  assert.equal(Buffer.from(fault.response?.body ?? '', 'base64').length, 1_024)
  await gone.promise
})
