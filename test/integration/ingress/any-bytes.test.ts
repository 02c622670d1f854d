import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OpenLog } from '../../support/held-log.ts'
import {
  EVENT_HEADERS,
  PATH,
  refusalOf,
  send,
  sendRaw,
  startIngress,
} from '../../support/ingress-fixture.ts'

const CONTENT_TYPES = [
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/cloudevents+avro',
  'APPLICATION/CLOUDEVENTS+JSON; charset=UTF-8',
  'application/json',
  'text/plain;',
  ';',
  'undefined',
]

const headerName = fc.oneof(
  fc.constantFrom('ce-id', 'ce-source', 'ce-type', 'ce-specversion', 'ce-time', 'CE-X', 'ce-'),
  fc.stringMatching(/^ce-[a-zA-Z0-9_]{0,20}$/),
  fc.stringMatching(/^x[a-z]{1,10}$/),
)
const headerValue = fc.oneof(
  fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,40}$/),
  fc.constantFrom('1.0', '%', '%zz', '%C0%A0', '"a\\', '2026-01-01T00:00:00Z'),
)
const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .array(fc.record({ specversion: fc.constant('1.0'), id: fc.string(), data: fc.jsonValue() }))
    .map((events) => Buffer.from(JSON.stringify(events))),
)

test('any headers and body get 202, or a 4xx with a code: never a crash or a 500', async (t) => {
  const log = new OpenLog()
  const { port, bufferedBytes } = await startIngress(t, log)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(headerName, headerValue), { maxLength: 8 }),
      fc.option(fc.constantFrom(...CONTENT_TYPES), { nil: undefined }),
      body,
      fc.boolean(),
      async (pairs, contentType, bytes, whole) => {
        const before = log.records.length
        const answer = await send(port, {
          body: bytes,
          headers: {
            ...(whole ? EVENT_HEADERS : {}),
            ...Object.fromEntries(pairs),
            ...(contentType === undefined ? {} : { 'content-type': contentType }),
          },
        })
        if (answer.status === 202) {
          assert.equal(answer.body, '')
        } else {
          assert.ok([400, 415].includes(answer.status), String(answer.status))
          assert.match(refusalOf(answer).code, /^FN_/)
          assert.equal(log.records.length, before)
        }
        assert.equal(bufferedBytes(), 0)
      },
    ),
    { numRuns: 150 },
  )
})

test('any path gets 404, 202 or 400', async (t) => {
  const { port } = await startIngress(t, new OpenLog())
  const path = fc.stringMatching(/^\/[!-"$-~]{0,60}$/)
  await fc.assert(
    fc.asyncProperty(path, async (text) => {
      const answer = await send(port, { path: text })
      assert.ok([202, 404, 400].includes(answer.status), String(answer.status))
    }),
    { numRuns: 100 },
  )
})

test('any bytes on a connection are survived', async (t) => {
  const { port, logged } = await startIngress(t, new OpenLog())
  const bytes = fc.uint8Array({ maxLength: 300 })
  const raw = fc.oneof(
    bytes.map((all) => Buffer.from(all)),
    bytes.map((tail) => Buffer.concat([Buffer.from(`POST ${PATH} HTTP/1.1\r\nhost: x\r\n`), tail])),
    bytes.map((tail) =>
      Buffer.concat([
        Buffer.from(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`),
        tail,
      ]),
    ),
  )
  await fc.assert(
    fc.asyncProperty(raw, async (all) => {
      const answer = await sendRaw(port, all, true)
      assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/)
    }),
    { numRuns: 100 },
  )
  assert.equal((await send(port)).status, 202)
  assert.deepEqual(logged, [])
})
