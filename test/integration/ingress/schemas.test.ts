import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { AppendRecord } from '../../../runtime/contract/broker.ts'
import { createDataCheck } from '../../../runtime/schemas/data-check.ts'
import {
  EVENT_HEADERS,
  refusalOf,
  send,
  startIngress,
  type Answer,
} from '../../support/ingress-fixture.ts'

const SCHEMAS = {
  'test.happened': { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
}
const JSON_HEADERS = { ...EVENT_HEADERS, 'content-type': 'application/json' }

async function checking(t: TestContext): Promise<{ port: number; taken: AppendRecord[] }> {
  const taken: AppendRecord[] = []
  const { port } = await startIngress(
    t,
    {
      append: (records) => {
        taken.push(...records)
        return Promise.resolve(
          records.map(({ topic }, offset) => ({ ok: true, topic, partition: 0, offset })),
        )
      },
    },
    { checkEvent: createDataCheck(SCHEMAS) },
  )
  return { port, taken }
}

function event(data: unknown, type = 'test.happened'): object {
  return { specversion: '1.0', id: '1', source: '/test', type, data }
}

function refused(answer: Answer): string {
  const { code, message } = refusalOf(answer)
  assert.deepEqual([answer.status, code], [400, 'FN_EVENT_SCHEMA'])
  return message
}

test('an event that fits is taken as it came, and one that does not gets 400 with the path', async (t) => {
  const { port, taken } = await checking(t)
  const good = await send(port, { headers: JSON_HEADERS, body: '{ "n": 1 }' })
  assert.equal(good.status, 202)
  assert.equal(taken[0]?.value?.toString(), '{ "n": 1 }')
  const bad = await send(port, { headers: JSON_HEADERS, body: '{"n":"one"}' })
  assert.match(refused(bad), /: data\.n must be integer, but is "one"$/)
  assert.equal(taken.length, 1)
})

test('structured mode is checked as well, and other types are not', async (t) => {
  const { port, taken } = await checking(t)
  const headers = { 'content-type': 'application/cloudevents+json' }
  const bad = await send(port, { headers, body: JSON.stringify(event({})) })
  assert.match(refused(bad), /data\.n is missing/)
  const other = await send(port, { headers, body: JSON.stringify(event({}, 'other')) })
  assert.deepEqual([other.status, taken.length], [202, 1])
})

test('data of another kind than JSON do not fit', async (t) => {
  const { port } = await checking(t)
  const headers = { ...EVENT_HEADERS, 'content-type': 'text/plain' }
  assert.match(refused(await send(port, { headers, body: '{"n":1}' })), /JSON content type/)
  assert.match(refused(await send(port, { headers: EVENT_HEADERS })), /there are none/)
})

test('of a batch with one bad event none is taken, and its place is named', async (t) => {
  const { port, taken } = await checking(t)
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const body = JSON.stringify([event({ n: 1 }), event({ n: 1.5 })])
  assert.match(
    refused(await send(port, { headers, body })),
    /^event 1 of the batch: .*data\.n must/,
  )
  assert.equal(taken.length, 0)
})
