import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { Fault } from '../../../../runtime/contract/outcome.ts'
import type { WorkReply, WorkResult } from '../../../../runtime/contract/work.ts'
import {
  MAX_REPLY_BYTES,
  openRunner,
  startSubscriber,
  workItem,
} from '../../../support/http-subscriber.ts'

const CE = {
  'ce-specversion': '1.0',
  'ce-id': 'r1',
  'ce-source': '/pricer',
  'ce-type': 'priced',
}
const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const JSON_EVENT = '{"specversion":"1.0","id":"r1","source":"/pricer","type":"priced"'

interface Given {
  status?: number
  headers?: OutgoingHttpHeaders
  body?: string | Buffer
}

/** Of the last server, once it is over: the answer was sent to its end. */
let wasReadWhole: Promise<boolean>

async function answered(t: TestContext, given: Given): Promise<WorkResult> {
  const { status = 200, headers = {}, body = '' } = given
  const over = Promise.withResolvers<boolean>()
  wasReadWhole = over.promise
  const { url } = await startSubscriber(t, (response) => {
    response.on('close', () => over.resolve(response.writableFinished))
    response.writeHead(status, headers).end(body)
  })
  const [result] = await openRunner(t, { url }).deliver(workItem())
  assert.ok(result)
  return result
}

async function replies(t: TestContext, given: Given): Promise<WorkReply[]> {
  const result = await answered(t, given)
  assert.equal(result.status, 'done', JSON.stringify(result))
  return result.replies
}

async function fault(t: TestContext, given: Given): Promise<Fault> {
  const result = await answered(t, given)
  assert.equal(result.status, 'failed')
  return result.fault
}

test('an empty body without ce- headers is a success without a reply', async (t) => {
  for (const status of [200, 201, 202, 204, 299]) {
    assert.deepEqual(await replies(t, { status }), [], String(status))
  }
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  assert.deepEqual(await replies(t, { headers }), [])
})

test('a reply in binary mode, with any success', async (t) => {
  for (const status of [200, 201, 202]) {
    const headers = {
      ...CE,
      'ce-subject': 'Euro%20%E2%82%AC',
      'Ce-Raw': Buffer.from('é').toString('latin1'),
      'content-type': 'application/json',
    }
    const [reply, more] = await replies(t, { status, headers, body: '{"total": 2.0}' })
    assert.equal(more, undefined)
    assert.deepEqual(reply?.attributes, {
      specversion: '1.0',
      id: 'r1',
      source: '/pricer',
      type: 'priced',
      subject: 'Euro €',
      raw: 'é',
      datacontenttype: 'application/json',
    })
    assert.equal(reply.data?.kind, 'json')
    assert.equal(reply.data.bytes.toString(), '{"total": 2.0}')
  }
})

test('a reply may be in the headers alone', async (t) => {
  for (const status of [200, 204]) {
    const [reply] = await replies(t, { status, headers: CE })
    assert.equal(reply?.attributes.type, 'priced')
    assert.equal(reply.data, undefined)
  }
})

test('a reply in structured mode', async (t) => {
  const [reply] = await replies(t, { headers: STRUCTURED, body: `${JSON_EVENT},"data":[1]}` })
  assert.equal(reply?.attributes.id, 'r1')
  assert.equal(reply.data?.bytes.toString(), '[1]')
})

test('what is no event is an invalid reply, which is not tried again', async (t) => {
  const cases: Array<[given: Given, message: RegExp]> = [
    [{ body: 'ok' }, /no CloudEvent/],
    [{ headers: { 'content-type': 'application/json' }, body: '{"ok":true}' }, /no CloudEvent/],
    [{ headers: { 'ce-id': '1', 'ce-specversion': '1.0' } }, /lacks "source", "type"/],
    [{ headers: { ...CE, 'ce-specversion': '0.3' } }, /specversion/],
    [{ headers: { ...CE, 'ce-time': 'yesterday' }, body: '1' }, /"time"/],
    [{ headers: { ...CE, 'ce-a_b': 'x' } }, /name "a_b"/],
    [{ headers: STRUCTURED, body: '{"id":1' }, /JSON/],
    [{ headers: STRUCTURED, body: '{"specversion":"1.0","id":"1"}' }, /lacks "source", "type"/],
    [{ headers: { 'content-type': 'application/cloudevents+avro' }, body: 'x' }, /avro/],
    [{ headers: { 'content-type': 'application/cloudevents-batch+json' }, body: '[]' }, /batch/],
    [
      {
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body: `[${JSON_EVENT}}]`,
      },
      /batch; answer with one event/,
    ],
    [{ headers: { ...CE, 'content-encoding': 'gzip' }, body: 'x' }, /encoded as gzip/],
  ]
  for (const [given, message] of cases) {
    const { code, class: name, response, ...rest } = await fault(t, given)
    assert.equal(code, 'FN_SUBSCRIBER_INVALID_REPLY')
    assert.equal(name, 'InvalidReply')
    assert.match(rest.message, message)
    assert.match(rest.message, /events\/pricer at http.*answered 200 OK with what is no event/)
    assert.equal(response?.status, 200)
    const body = given.body === undefined ? undefined : Buffer.from(given.body).toString('base64')
    assert.equal(response.body, body)
  }
})

test('a reply that is larger than an event may be is refused without being read', async (t) => {
  const headers = { ...CE, 'content-type': 'text/plain' }
  const [reply] = await replies(t, { headers, body: Buffer.alloc(MAX_REPLY_BYTES, 'x') })
  assert.equal(reply?.data?.bytes.length, MAX_REPLY_BYTES)
  for (const size of [MAX_REPLY_BYTES + 1, 50_000_000]) {
    const { code, ...rest } = await fault(t, { headers, body: Buffer.alloc(size, 'x') })
    assert.equal(code, 'FN_HANDLER_REPLY_TOO_LARGE')
    assert.match(rest.message, /may have 100000/)
    assert.deepEqual(rest.response?.status, 200)
  }
  assert.equal(await wasReadWhole, false)
})

test('in structured mode the data counts, not the text around it', async (t) => {
  const structured = (size: number): Given => {
    const data = Buffer.alloc(size).toString('base64')
    return { headers: STRUCTURED, body: `${JSON_EVENT},"data_base64":"${data}"}` }
  }
  const [reply] = await replies(t, structured(MAX_REPLY_BYTES))
  assert.equal(reply?.data?.bytes.length, MAX_REPLY_BYTES)
  const { code } = await fault(t, structured(MAX_REPLY_BYTES + 1))
  assert.equal(code, 'FN_HANDLER_REPLY_TOO_LARGE')
})
