/** JSONata over events, in a real isolate. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'
import { transformFunction } from '../../runtime/isolate/transform-bundle.ts'
import { isMillraceError } from '../../runtime/errors.ts'
import type { WorkResult } from '../../runtime/contract/work.ts'
import { itemOf, openFunction, type Opened } from '../support/isolate.ts'
import { SILENT } from '../support/silent-log.ts'

async function opened(t: TestContext, expression: string): Promise<Opened> {
  const pool = await createIsolatePool({
    isolation: 'shared',
    log: SILENT,
    maxReplyBytes: 1024 * 1024,
  })
  t.after(() => pool.close())
  const { manifest, bundle } = await transformFunction({
    kind: 'transform',
    name: 'events/t',
    expression,
  })
  return openFunction(pool, manifest, bundle)
}

function only(result: WorkResult): { attributes: unknown; data: string | undefined } {
  assert.equal(result.status, 'done')
  const [reply, ...more] = result.replies
  assert.ok(reply)
  assert.deepEqual(more, [])
  return { attributes: reply.attributes, data: reply.data?.bytes.toString() }
}

describe('an EventTransform', () => {
  it('gives the event that its expression makes of the whole event as JSON', async (t) => {
    const one = await opened(
      t,
      `{
        "specversion": "1.0", "id": id, "source": "/transformed", "type": type & ".v2",
        "kept": extension, "data": { "total": $sum(data.items.(price * amount)) }
      }`,
    )
    const data = {
      items: [
        { price: 2, amount: 3 },
        { price: 1, amount: 4 },
      ],
    }
    const { attributes, data: text } = only(
      await one.one(itemOf('order', { data, attributes: { id: 'a', extension: 'x' } })),
    )
    assert.deepEqual(attributes, {
      specversion: '1.0',
      id: 'a',
      source: '/transformed',
      type: 'order.v2',
      kept: 'x',
    })
    assert.equal(text, '{"total":10}')
  })

  it('passes an event through as it is, bytes included', async (t) => {
    const one = await opened(t, '$')
    const bytes = Buffer.from([0, 255, 128, 7])
    const item = itemOf('bytes', {
      raw: { kind: 'binary', bytes },
      attributes: { datacontenttype: 'application/octet-stream' },
    })
    const result = await one.one(item)
    assert.equal(result.status, 'done')
    assert.deepEqual(result.replies[0]?.attributes, item.event.attributes)
    assert.deepEqual(result.replies[0]?.data?.bytes, bytes)
  })

  it('replies nothing where the expression gives nothing', async (t) => {
    const one = await opened(t, 'type = "wanted" ? $ : $nothing')
    const result = await one.one(itemOf('other'))
    assert.deepEqual(result.status === 'done' && result.replies, [])
  })

  for (const [what, expression, message] of [
    ['an error, with its place', '$number(type)', /^D3030: .* at position 8 of the expression$/],
    ['a value that is no event', '{ "type": "x" }', /no specversion, id, source$/],
    ['several values', '[$, $]', /a list/],
    ['data_base64 that is none', '$merge([$, {"data_base64": "*"}])', /no base64/],
  ] as const) {
    it(`fails for good on ${what}`, async (t) => {
      const one = await opened(t, expression)
      const result = await one.one(itemOf('order'))
      assert.ok(result.status === 'failed')
      assert.equal(result.fault.code, 'FN_HANDLER_DEAD_LETTER')
      assert.equal(result.fault.class, 'TransformFailed')
      assert.match(result.fault.message, message)
    })
  }

  it('does not open with an expression that does not parse, and says where', async (t) => {
    await assert.rejects(opened(t, '{ "a": '), (error) => {
      return isMillraceError(error, 'FN_HANDLER_INIT') && /position \d+/.test(error.message)
    })
  })

  it('is ended when its expression is not', async (t) => {
    const one = await opened(t, '($f := function($n) { $f($n + 1) }; type = "endless" ? $f(0) : $)')
    const result = await one.toEnd(itemOf('endless', { timeoutMs: 5_000 }))
    assert.equal(result.status, 'failed')
    only(await one.toEnd(itemOf('calm')))
  })

  it('cannot reach what is not the event’s', async (t) => {
    const one = await opened(
      t,
      '$merge([$, {"seen": $string($exists(constructor) or $exists(__proto__) or $exists(process))}])',
    )
    const { attributes } = only(await one.one(itemOf('order')))
    assert.equal((attributes as { seen: unknown }).seen, 'false')
  })
})
