/** What `npm start` runs: the guide's functions, a sample order the first time, and a log that stays. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-post.ts'
import { project } from '../support/project.ts'

const BROKER = 'events/kafka-broker'

interface EventLine {
  event: {
    id: string
    type: string
    source: string
    subject?: string
    data: Record<string, unknown>
  }
}

describe('npm start', () => {
  it('shows what becomes of a sample order, once, and goes on from the same log', async (t) => {
    const p = await project(t, 'guide')
    const first = await p.start([], 'main')
    await eventually(() => first.output().includes('what to type next'), 'the first steps are told')
    for (const step of ['created', 'validated', 'checked', 'priced', 'reserved', 'finalized']) {
      assert.match(first.output(), new RegExp(`com\\.company\\.orders\\.${step}`), step)
    }
    assert.match(first.output(), /ready in \d+\.\d s/)
    assert.equal(await first.end('SIGINT'), 0)
    assert.doesNotMatch(first.output(), /worker process ended/)

    const second = await p.start([], 'main')
    await eventually(() => second.output().includes('what to type next'), 'it started again')
    assert.doesNotMatch(second.output(), /sent the sample order/)
    const orders = await p.json<EventLine>(['events', '--type', 'com.company.orders.created'])
    assert.equal(orders.length, 1)
    assert.equal(await second.end('SIGINT'), 0)
  })

  it("transforms a legacy order as the guide's transformer does", async (t) => {
    const p = await project(t, 'guide')
    const runtime = await p.start([], 'main')
    const { status } = await post(
      `${runtime.ingress}/${BROKER}`,
      JSON.stringify({
        specversion: '1.0',
        id: 'legacy-1',
        source: 'legacy-system',
        type: 'order',
        data: {
          orderId: 'L-1',
          customerId: 'C-1',
          orderItems: [{ productId: 'P-1', qty: 2, unitPrice: 9.5 }],
          orderTotal: 19,
        },
      }),
    )
    assert.equal(status, 202)
    const reply = await eventually(async () => {
      const found = await p.json<EventLine>(['events', '--type', 'com.company.orders.created.v2'])
      return found[0]?.event
    }, 'the new order is in the log')
    assert.equal(reply.source, 'event-transformer')
    assert.equal(reply.subject, 'orders/L-1')
    assert.deepEqual(reply.data, {
      order_id: 'L-1',
      customer_id: 'C-1',
      items: [{ product_id: 'P-1', quantity: 2, price: 9.5 }],
      total: 19,
    })
    await runtime.end('SIGTERM')
  })

  it('keeps the books: consumed is what ended and what is in flight', async (t) => {
    const p = await project(t, 'guide')
    const runtime = await p.start([], 'main')
    await eventually(
      () => runtime.output().includes('what to type next'),
      'the sample went through',
    )
    const text = await (await fetch(`${runtime.metrics}/metrics`)).text()
    const sums = new Map<string, number>()
    for (const line of text.split('\n')) {
      const found =
        /^millrace_(records_consumed_total|outcomes_total|in_flight)\{.*?trigger="([^"]+)".*?\} (\d+)/.exec(
          line,
        )
      if (found === null) continue
      const [, name, trigger, value] = found as unknown as [string, string, string, string]
      const sign = name === 'records_consumed_total' ? 1 : -1
      sums.set(trigger, (sums.get(trigger) ?? 0) + sign * Number(value))
    }
    assert.ok(sums.size >= 10)
    for (const [trigger, sum] of sums) assert.equal(sum, 0, trigger)
    assert.match(
      text,
      /cloudevents_received_total\{type="com.company.orders.created",source="orders-service"\} [1-9]/,
    )
    assert.match(
      text,
      /cloudevents_processed_total\{type="com.company.orders.created",status="success"\} [1-9]/,
    )
    const ready = await fetch(`${runtime.metrics}/readyz`)
    assert.equal(ready.status, 200)
    await runtime.end('SIGTERM')
  })
})

describe('fn', () => {
  it('explains a sample order without a running runtime', async (t) => {
    const p = await project(t, 'guide')
    await p.fn(['build'])
    const lines = await p.json<{ trigger: string; matches: boolean; failed: unknown[] }>([
      'explain',
      '--event',
      'functions/sample-order.json',
    ])
    const orders = lines.find((line) => line.trigger === 'events/order-events')
    assert.deepEqual(orders, { trigger: 'events/order-events', matches: true, failed: [] })
    const payments = lines.find((line) => line.trigger === 'events/payment-events')
    assert.deepEqual(payments?.failed, [
      {
        clause: 'exact.type',
        expected: 'com.company.payments.processed',
        actual: 'com.company.orders.created',
      },
    ])
  })

  it('builds again and restarts on a save', async (t) => {
    const source = (type: string): string => `
      import type { FunctionMetadata } from 'millrace'
      export const metadata = {
        triggers: [{ broker: 'events/b', filters: [{ exact: { type: 'in' } }] }],
      } satisfies FunctionMetadata
      export function handler() { return { type: '${type}' } }
    `
    const p = await project(t, { 'hello.ts': source('before') })
    const runtime = await p.start([], 'dev')
    await eventually(() => runtime.output().includes('watching'), 'it watches')
    await p.write('functions/hello.ts', 'this is not TypeScript')
    await eventually(() => runtime.output().includes('the last good build goes on'), 'it is told')
    await p.write('functions/hello.ts', source('after'))
    await eventually(() => runtime.output().split('ready in').length === 3, 'it runs again')
    const event = JSON.stringify({ specversion: '1.0', id: '1', source: '/t', type: 'in' })
    const sent = await p.fn(['send', '-f', '-', '--broker', 'events/b'], event)
    assert.deepEqual([sent.code, sent.stdout], [0, '{"accepted":1,"id":"1"}\n'])
    await eventually(
      async () => (await p.json(['events', '--type', 'after'])).length === 1,
      'the new handler answered',
    )
    assert.equal(await runtime.end('SIGTERM'), 0)
  })

  const wrong: Array<[title: string, args: string[], code: number, says: RegExp]> = [
    ['an unknown command', ['buidl'], 64, /Did you mean build/],
    ['an unknown flag', ['start', '--prot', '1'], 64, /--port/],
    ['a port that is none', ['start', '--port', 'x'], 64, /--port/],
    ['a folder without a log', ['events'], 3, /no runtime runs in/],
    ['a folder without a build', ['explain', '--event', '-'], 1, /run `fn build`/],
    [
      'a missing file',
      ['send', '-f', 'none.json', '--broker', 'a/b'],
      64,
      /none\.json is not there/,
    ],
  ]
  for (const [title, args, code, says] of wrong) {
    it(`tells ${title} with exit code ${code}`, async (t) => {
      const p = await project(t, {})
      const result = await p.fn(args, '{}')
      assert.match(result.stderr, says)
      assert.equal(result.code, code)
      assert.equal(result.stdout, '')
    })
  }
})
