import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WorkResult } from '../../../runtime/contract/work.ts'
import { BadFrame } from '../../../runtime/isolate/frames.ts'
import { decodeResults } from '../../../runtime/isolate/result-frame.ts'
import { StackMap } from '../../../runtime/isolate/stack-map.ts'

function decode(rows: string, texts = ''): WorkResult[] {
  const inFlight = new Set([0, 1, 2])
  return decodeResults(Buffer.from(rows + texts), Buffer.byteLength(rows), {
    idOf: (slot) => {
      if (!inFlight.delete(slot)) throw new BadFrame(`slot ${slot}`)
      return slot + 100
    },
    line: () => {},
    stacks: new StackMap(''),
    maxReplyBytes: 20,
  })
}

function textsOf(results: readonly WorkResult[]): Array<string | undefined> {
  return results.flatMap((result) =>
    result.status === 'done' ? result.replies.map(({ data }) => data?.bytes.toString()) : [],
  )
}

test('data is cut by length, so none can pass for its neighbour', () => {
  const forging = '1}],['
  const rows = `[0,0,1,[],[[{"type":"a"},1,${forging.length}]]],[0,1,1,[],[[{"type":"b"},1,2]]]`
  assert.deepEqual(textsOf(decode(rows, `${forging}{}`)), [forging, '{}'])
})

test('lengths count UTF-16 units where characters are not one byte', () => {
  const rows = `[0,0,1,[],[[{"type":"a"},2,3],[{"type":"b"},1,4]]]`
  assert.deepEqual(textsOf(decode(rows, 'é😀"x"é')), ['é😀', '"x"é'])
})

test('data beyond the limit fails its own event', () => {
  const rows = `[0,0,1,[],[[{"type":"a"},2,21]]],[0,1,1,[],[]]`
  const [large, fine] = decode(rows, 'x'.repeat(21))
  assert.equal(large?.status === 'failed' && large.fault.code, 'FN_HANDLER_REPLY_TOO_LARGE')
  assert.equal(fine?.status, 'done')
})

const MALFORMED: Record<string, [rows: string, texts?: string]> = {
  'no JSON': ['[0,'],
  'a row that is no array': ['7'],
  'a slot that is not in flight': ['[3,9]'],
  'a slot twice': ['[3,1],[3,1]'],
  'a status that is none': ['[9,1,1,[]]'],
  'a text shorter than told': ['[0,0,1,[],[[{"type":"a"},1,5]]]', 'x'],
  'a text that nobody asked for': ['[0,0,1,[],[]]', 'x'],
  'a reply without a type': ['[0,0,1,[],[[{},0,0]]]'],
  'an attribute name in upper case': ['[0,0,1,[],[[{"type":"a","X":1},0,0]]]'],
  'an attribute that is an object': ['[0,0,1,[],[[{"type":"a","x":{}},0,0]]]'],
  'a fault of no known code': ['[2,0,1,[],"FN_NOPE","C","m","s",-1]'],
  'a log line of no level': ['[0,0,1,[[9,"x"]],[]]'],
}

for (const [name, [rows, texts]] of Object.entries(MALFORMED)) {
  test(`${name} is refused`, () => {
    assert.throws(() => decode(rows, texts), BadFrame)
  })
}

test('whatever JSON comes, it gives results or a BadFrame', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.jsonValue())), (rows) => {
      try {
        decode(JSON.stringify(rows).slice(1, -1))
      } catch (error) {
        assert.ok(error instanceof BadFrame)
      }
    }),
  )
})
