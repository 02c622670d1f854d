import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event, EventData } from '../../../runtime/contract/event.ts'
import { LazyData } from '../../../runtime/filter/lazy-data.ts'

describe('LazyData', () => {
  it('parses once, however often it is asked', (t) => {
    const parse = t.mock.method(JSON, 'parse')
    const data = lazy('{"a":{"b":[10,20]}}')
    assert.equal(parse.mock.callCount(), 0)
    assert.equal(data.at(['a', 'b', '1']), 20)
    assert.deepEqual(data.at(['a', 'b']), [10, 20])
    assert.equal(data.isJson(), true)
    assert.equal(parse.mock.callCount(), 1)
  })

  it('parses bad JSON once, too', (t) => {
    const parse = t.mock.method(JSON, 'parse')
    const data = lazy('{"a":')
    assert.equal(data.isJson(), false)
    assert.equal(data.at(['a']), undefined)
    assert.equal(parse.mock.callCount(), 1)
  })

  it('finds own members only', () => {
    const data = lazy('{"a":[1],"text":"abc","__proto__":{"own":1}}')
    assert.equal(data.at(['constructor']), undefined)
    assert.equal(data.at(['a', 'length']), undefined)
    assert.equal(data.at(['a', '00']), undefined)
    assert.equal(data.at(['text', '0']), undefined)
    assert.equal(data.at(['__proto__', 'own']), 1)
  })

  it('takes text, binary, missing data and bytes that are not UTF-8 for no JSON', () => {
    const others: Array<EventData | undefined> = [
      undefined,
      { kind: 'text', bytes: Buffer.from('{}') },
      { kind: 'binary', bytes: Buffer.from('{}') },
      { kind: 'json', bytes: Buffer.from([0x22, 0xff, 0x22]) },
      { kind: 'json', bytes: Buffer.alloc(0) },
    ]
    for (const data of others) assert.equal(new LazyData(event(data)).isJson(), false)
  })
})

function lazy(json: string): LazyData {
  return new LazyData(event({ kind: 'json', bytes: Buffer.from(json) }))
}

function event(data: EventData | undefined): Event {
  return { attributes: { specversion: '1.0', id: '1', source: '/s', type: 't' }, data }
}
