import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { CloudEventV1 } from 'cloudevents'
import * as millrace from 'millrace'
import type {
  BatchContext,
  BatchHandler,
  CloudEvent,
  Context,
  Handler,
  HandlerResult,
  Reply,
} from 'millrace'

test('authors can import exactly these values', () => {
  assert.deepEqual(Object.keys(millrace).sort(), ['DeadLetter', 'Drop', 'Retry'])
})

test('authors can import exactly these names, each listed by hand', () => {
  const source = readFileSync(new URL('../../../author/index.ts', import.meta.url), 'utf8')
  assert.doesNotMatch(source, /export \*/)
  const names = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = '']) =>
    list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  )
  assert.deepEqual(names.sort(), [
    'BatchContext',
    'BatchEntry',
    'BatchHandler',
    'BatchItemFailure',
    'BatchResult',
    'CloudEvent',
    'Context',
    'DeadLetter',
    'Drop',
    'FunctionMetadata',
    'Handler',
    'HandlerResult',
    'Reply',
    'Retry',
  ])
})

/** Checked by the compiler: it is enough that this compiles. */
test('the types take what handlers do', () => {
  const event = { specversion: '1.0', id: '1', source: 's', type: 't', data: { n: 1 } }
  const typed: CloudEvent<{ n: number }> = event
  const asPackage: CloudEventV1<{ n: number }> = typed
  const repeated: Reply = { ...typed, type: 'next', subject: typed.subject, priority: 'high' }
  const results: HandlerResult[] = [undefined, null, repeated, [repeated], [], manyReplies()]
  const handlers: Array<Handler<{ n: number }>> = [
    () => {},
    ({ data }) => ({ type: 'next', data: data.n }),
    async ({ data }, context: Context) => {
      context.log.info(String(data.n))
      return [{ type: 'next' }]
    },
    manyReplies,
  ]
  // @ts-expect-error A reply needs a type.
  const untyped: Reply = { data: 1 }
  // @ts-expect-error A number is no reply.
  const number: Handler = () => 7
  assert.ok([asPackage, results, handlers, untyped, number])
})

test('the types take what batches do', () => {
  const single: Handler<{ n: number }> = ({ data }) => ({ type: 'next', data: data.n })
  const batches: Array<BatchHandler<{ n: number }>> = [
    () => {},
    (events) => events.map(({ data }) => ({ type: 'next', data: data.n })),
    (events) => events.map(({ data }) => (data.n > 0 ? undefined : new millrace.DeadLetter('no'))),
    (events) => events.map((event) => single(event, {} as Context)),
    async (events, context: BatchContext) => {
      context.log.info(events.map((event) => context.of(event).idempotencyKey).join())
      return { batchItemFailures: events.map(({ id }) => ({ itemIdentifier: id })) }
    },
    async (events) => Promise.all(events.map(async () => [{ type: 'next' }])),
  ]
  // @ts-expect-error One reply is no entry for each event.
  const one: BatchHandler = () => ({ type: 'next' })
  assert.ok([batches, one])
})

async function* manyReplies(): AsyncGenerator<Reply> {
  yield { type: 'one' }
}
