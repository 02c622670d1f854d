import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { CloudEventV1 } from 'cloudevents'
import * as millrace from 'millrace'
import type { CloudEvent, Context, Handler, HandlerResult, Reply } from 'millrace'

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

async function* manyReplies(): AsyncGenerator<Reply> {
  yield { type: 'one' }
}
