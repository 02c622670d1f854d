import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { decodeHttp } from '../../../../runtime/codec/http.ts'
import { canonicalText } from '../../../../runtime/codec/attributes.ts'
import type { Event } from '../../../../runtime/contract/event.ts'
import type { WorkItem } from '../../../../runtime/contract/work.ts'
import type { DeliveryFormat } from '../../../../runtime/subscriber/http/request.ts'
import { anyEvent, sampleEvent } from '../../../support/event-arbitraries.ts'
import {
  openRunner,
  startRawSubscriber,
  startSubscriber,
  workItem,
} from '../../../support/http-subscriber.ts'

const JSON_DATA = { kind: 'json', bytes: Buffer.from('{"amount": 1.0}') } as const

/** The bytes that one delivery sends, without the port. */
async function sent(
  t: TestContext,
  item: Partial<WorkItem>,
  more: { format?: DeliveryFormat; path?: string } = {},
): Promise<string> {
  let request = (): string => ''
  const url = await startRawSubscriber(t, (socket, text) => {
    request = text
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  })
  const { format = 'binary', path = '' } = more
  const { deliver } = openRunner(t, { url: `${url}${path}`, format })
  const [result] = await deliver(workItem(item))
  assert.equal(result?.status, 'done')
  return request().replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
}

test('a request in binary mode, byte for byte', async (t) => {
  const event = sampleEvent(
    {
      datacontenttype: 'application/json',
      subject: 'Euro € 😀',
      time: '2026-01-02T03:04:05.123456789+02:00',
      note: '100% "sure"',
      count: 7,
      urgent: true,
    },
    JSON_DATA,
  )
  assert.equal(
    await sent(t, { event, at: { partition: 3, offset: 4_294_967_296 } }, { path: 'a/b?c=d' }),
    [
      'POST /a/b?c=d HTTP/1.1',
      'host: HOST',
      'connection: keep-alive',
      'ce-specversion: 1.0',
      'ce-id: A-1',
      'ce-source: /shop',
      'ce-type: com.example.t',
      'ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80',
      'ce-time: 2026-01-02T03:04:05.123456789+02:00',
      'ce-note: 100%25%20%22sure%22',
      'ce-count: 7',
      'ce-urgent: true',
      'ce-knativekafkapartition: 3',
      'ce-knativekafkaoffset: 4294967296',
      'content-type: application/json',
      'prefer: reply',
      'kn-namespace: events',
      'content-length: 15',
      '',
      '{"amount": 1.0}',
    ].join('\r\n'),
  )
})

test('a request in JSON format, byte for byte', async (t) => {
  const event = sampleEvent({ datacontenttype: 'application/json', count: 7 }, JSON_DATA)
  const body =
    '{"specversion":"1.0","id":"A-1","source":"/shop","type":"com.example.t",' +
    '"datacontenttype":"application/json","count":7,' +
    '"knativekafkapartition":"3","knativekafkaoffset":"42","data":{"amount": 1.0}}'
  assert.equal(
    await sent(t, { event, at: { partition: 3, offset: 42 } }, { format: 'json' }),
    [
      'POST / HTTP/1.1',
      'host: HOST',
      'connection: keep-alive',
      'content-type: application/cloudevents+json; charset=utf-8',
      'prefer: reply',
      'kn-namespace: events',
      `content-length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  )
})

test('an event without data is a request without a body', async (t) => {
  const text = await sent(t, { event: sampleEvent(), trigger: 'orders' })
  assert.match(text, /content-length: 0\r\n\r\n$/)
  assert.doesNotMatch(text, /content-type|kn-namespace|knativekafka/)
})

test('data that is an event itself is not taken for the event that is sent', async (t) => {
  const inner = '{"specversion":"1.0","id":"inner","source":"/s","type":"t"}'
  const event = sampleEvent(
    { datacontenttype: 'application/cloudevents+json' },
    { kind: 'json', bytes: Buffer.from(inner) },
  )
  const { received, url } = await startSubscriber(t, (response) => response.end())
  const [result] = await openRunner(t, { url }).deliver(workItem({ event }))
  assert.equal(result?.status, 'done')
  const [request] = received
  assert.ok(request)
  const [read] = decodeHttp(request.headers, request.body).events
  assert.equal(read?.attributes.id, 'A-1')
  assert.equal(read?.data?.bytes.toString(), inner)
})

test('any event arrives as it is, in both formats, and so does its echo', async (t) => {
  const { received, url } = await startSubscriber(t, (response, { headers, body }) => {
    for (const [name, value] of Object.entries(headers)) {
      if (/^(ce-|content-type$)/.test(name)) response.setHeader(name, value ?? '')
    }
    response.end(body)
  })
  for (const format of ['binary', 'json'] as const) {
    const { deliver } = openRunner(t, { url, format })
    await fc.assert(
      fc.asyncProperty(anyEvent, async (event) => {
        received.length = 0
        const [result] = await deliver(workItem({ event }))
        const [request] = received
        assert.ok(request)
        const [read] = decodeHttp(request.headers, request.body).events
        assert.ok(read)
        assert.deepEqual(texts(read), texts(event))
        if (format === 'binary') {
          assert.deepEqual(
            read.data?.bytes ?? Buffer.alloc(0),
            event.data?.bytes ?? Buffer.alloc(0),
          )
        }
        assert.ok(result?.status === 'done')
        assert.deepEqual(result.replies, [read])
      }),
      { numRuns: 150 },
    )
  }
})

/** Headers carry every value as its canonical text. */
function texts({ attributes }: Event): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, canonicalText(value ?? '')]),
  )
}
