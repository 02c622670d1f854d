import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ownCopy } from '../../../runtime/delivery/lane.ts'

it('an event that waits keeps its bytes and foreign headers, without holding its fetch', () => {
  const fetched = Buffer.from('ce_id,content-type,x-team,traceparent,orders,00-1,k,{"n": 1}')
  const slice = (text: string): Buffer => {
    const at = fetched.indexOf(text)
    return fetched.subarray(at, at + text.length)
  }
  const value = slice('{"n": 1}')
  const task = {
    copied: false,
    event: {
      attributes: { specversion: '1.0', id: 'a', source: '/t', type: 'order' },
      data: { kind: 'json', bytes: value },
    },
    record: {
      offset: 7,
      timestamp: 5,
      key: slice('k'),
      value,
      headers: [
        [slice('ce_id'), slice('k')],
        [slice('content-type'), slice('k')],
        [slice('x-team'), slice('orders')],
        [slice('traceparent'), null],
      ],
    },
  }
  ownCopy(task as unknown as Parameters<typeof ownCopy>[0])
  fetched.fill(0)
  const { record, event } = task
  assert.equal(record.value.toString(), '{"n": 1}')
  assert.equal(event.data.bytes.toString(), '{"n": 1}')
  assert.equal(record.key.toString(), 'k')
  assert.deepEqual(
    record.headers.map(([name, text]) => [name?.toString(), text?.toString()]),
    [
      ['x-team', 'orders'],
      ['traceparent', undefined],
    ],
  )
})
