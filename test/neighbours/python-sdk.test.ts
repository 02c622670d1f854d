/**
 * The official Python SDK (`cloudevents` 1.x, behind Flask) beside Millrace's HTTP binding, over real
 * HTTP. Where the SDK departs from the specification, `DEPARTURES` says how and the test expects that.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { decodeHttp, encodeHttpBinary, encodeHttpStructured } from '../../runtime/codec/http.ts'
import type { HttpMessage } from '../../runtime/codec/http.ts'
import type { Attributes, Event } from '../../runtime/contract/event.ts'
import { anyEvent, sampleEvent } from '../support/event-arbitraries.ts'
import { isJson } from '../support/is-json.ts'
import { pythonForTests } from '../support/python.ts'

const SEED = 20_261_127
const EVENTS = 300
const IN_FLIGHT = 8
const SERVER = fileURLToPath(new URL('python/sdk_server.py', import.meta.url))

const forTests = pythonForTests()
const { needed } = forTests
let server: ChildProcess | undefined
let address = ''

before(async () => {
  if (needed.skip !== false) return
  server = spawn(await forTests.python(), [SERVER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [port] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  address = `http://127.0.0.1:${port.toString().trim()}`
})
after(() => server?.kill('SIGKILL'))

interface Told {
  attributes: Attributes
  text?: string
  base64?: string
}

/** `cloudevents` 1.13.0, read from its source and seen here. */
const DEPARTURES = {
  /** HTTP binding 3.1.3.2: it neither encodes nor decodes header values, so it reads our encoded text. */
  headerText: (message: HttpMessage, name: string) => message.headers[`ce-${name}`],
  /** `CloudEvent()` puts the time of reading into an event that has none. */
  inventedTime(read: Attributes, sent: Attributes): Attributes {
    if (sent.time !== undefined) return read
    const { time, ...others } = read
    assert.match(time ?? '', /^\d{4}-\d\d-\d\dT/)
    return others as Attributes
  },
  /** It writes header values as they are, so only text that needs no encoding can be sent at all. */
  headerSafe(attributes: Attributes): Attributes {
    const safe = Object.entries(attributes).map(([name, value]) => {
      const text = String(value)
      return [name, SAFE.test(text) ? text : Buffer.from(text).toString('base64url')]
    })
    return Object.fromEntries(safe) as Attributes
  },
  /** Python has one `None` for JSON's null and for no data. */
  nullIsNoData: (event: Event) => event.data?.kind === 'json' && jsonOf(event) === null,
}
const SAFE = /^(?!")[!-$&-~ ]*$/

test('it reads what Millrace delivers in binary mode', needed, async () => {
  await forEachEvent(SEED, async (event) => {
    const message = encodeHttpBinary(event)
    const told = await read(message)
    const expected: Record<string, unknown> = {}
    for (const name of Object.keys(event.attributes)) {
      expected[name] =
        name === 'datacontenttype'
          ? message.headers['content-type']
          : DEPARTURES.headerText(message, name)
    }
    assert.deepEqual(DEPARTURES.inventedTime(told.attributes, event.attributes), expected)
    // An empty body is no data in HTTP, and null in the SDK.
    const bytes = event.data?.bytes ?? Buffer.alloc(0)
    assert.equal(told.base64 ?? '', bytes.toString('base64'))
  })
})

test('it reads what Millrace delivers in structured mode', needed, async () => {
  await forEachEvent(SEED + 1, async (event) => {
    const told = await read(encodeHttpStructured(event))
    const seen = DEPARTURES.inventedTime(told.attributes, event.attributes)
    assert.deepEqual(seen, event.attributes)
    if (event.data === undefined || event.data.bytes.length === 0) {
      assert.ok(told.base64 === undefined && (told.text === undefined || told.text === '""'))
    } else if (told.base64 !== undefined) {
      assert.equal(told.base64, event.data.bytes.toString('base64'))
    } else {
      const value: unknown = JSON.parse(told.text ?? '')
      const text = event.data.bytes.toString()
      assert.deepEqual(value, event.data.kind === 'text' ? text : JSON.parse(text))
    }
  })
})

test("the guide's way of reading gets an order as a dictionary in both modes", needed, async () => {
  const order = { orderId: 'O-1', total: 1_250.5, note: 'Zwölf € 😀', items: [{ qty: 2 }] }
  const event = sampleEvent(
    { type: 'com.company.orders.created', datacontenttype: 'application/json' },
    { kind: 'json', bytes: Buffer.from(JSON.stringify(order)) },
  )
  for (const message of [encodeHttpBinary(event), encodeHttpStructured(event)]) {
    const answer = await post('/read-as-the-guide', message)
    assert.deepEqual(await answer.json(), { type: event.attributes.type, data: order })
  }
})

test('Millrace reads what it writes in structured mode', needed, async () => {
  await forEachEvent(SEED + 2, async (event) => {
    if (event.data?.kind === 'json' && !isJson(event.data.bytes)) return
    const decoded = await write('structured', event)
    assert.deepEqual(
      DEPARTURES.inventedTime(decoded.attributes, event.attributes),
      event.attributes,
    )
    const { data } = event
    if (DEPARTURES.nullIsNoData(event)) assert.equal(decoded.data, undefined)
    else if (data?.kind === 'json') assert.deepEqual(jsonOf(decoded), jsonOf(event))
    else assert.equal(decoded.data?.bytes.toString('hex'), data?.bytes.toString('hex'))
  })
})

test('Millrace reads what it writes in binary mode', needed, async () => {
  await forEachEvent(SEED + 3, async (event) => {
    const attributes = DEPARTURES.headerSafe(event.attributes)
    const decoded = await write('binary', { attributes, data: event.data })
    const seen = DEPARTURES.inventedTime(decoded.attributes, attributes)
    // Flask gives a response a type of its own where the event has none.
    if (attributes.datacontenttype === undefined) delete seen.datacontenttype
    assert.deepEqual(seen, attributes)
    const bytes = event.data?.bytes ?? Buffer.alloc(0)
    assert.equal(decoded.data?.bytes.toString('hex') ?? '', bytes.toString('hex'))
  })
})

async function forEachEvent(seed: number, check: (event: Event) => Promise<void>): Promise<void> {
  const events = fc.sample(anyEvent, { seed, numRuns: EVENTS })
  const next = events.values()
  const worker = async (): Promise<void> => {
    for (const event of next) {
      await check(event).catch((cause: unknown) => {
        const shown = `${JSON.stringify(event.attributes)} ${event.data?.bytes.toString('latin1')}`
        throw new Error(`an event that does not come through: ${shown}`, { cause })
      })
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}

async function read(message: HttpMessage): Promise<Told> {
  return (await post('/read', message)).json() as Promise<Told>
}

async function write(mode: string, { attributes, data }: Event): Promise<Event> {
  const told: Record<string, unknown> = { attributes }
  const text = data?.bytes.toString()
  if (mode === 'binary' || data?.kind === 'binary') told['base64'] = data?.bytes.toString('base64')
  else if (data !== undefined) told['value'] = data.kind === 'json' ? JSON.parse(text ?? '') : text
  const answer = await post(`/write/${mode}`, {
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(told)),
  })
  const body = Buffer.from(await answer.arrayBuffer())
  const [decoded] = decodeHttp(Object.fromEntries(answer.headers), body).events
  assert.ok(decoded !== undefined)
  return decoded
}

async function post(path: string, { headers, body }: HttpMessage): Promise<Response> {
  const init = { method: 'POST', headers, body: body === undefined ? null : new Uint8Array(body) }
  const answer = await fetch(`${address}${path}`, init)
  assert.equal(answer.status, 200, await answer.clone().text())
  return answer
}

function jsonOf({ data }: Event): unknown {
  return JSON.parse(data?.bytes.toString() ?? '')
}
