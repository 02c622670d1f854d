/** What handlers throw and return, and what they do to their own globals (cases 32 to 36). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AttackRig, itemOf } from '../support/isolate.ts'

let values: AttackRig
let pollution: AttackRig
before(async () => {
  values = await AttackRig.open('values', { cpuMs: 1_000 })
  pollution = await AttackRig.open('pollution')
})
after(async () => {
  await values.close()
  await pollution.close()
})

const THREW = 'FN_HANDLER_THREW'
const INVALID = 'FN_HANDLER_INVALID_REPLY'
const FAULTS: Record<string, [code: string, errorClass: string, message: RegExp]> = {
  recursion: [THREW, 'RangeError', /Maximum call stack/],
  'recursion-catch': ['FN_HANDLER_CPU', 'CpuLimit', /1000 ms/],
  'regexp-overflow': [THREW, 'SyntaxError', /./],
  'json-deep': [THREW, 'SyntaxError', /./],
  'throw-null': [THREW, 'null', /null was thrown/],
  'throw-undefined': [THREW, 'undefined', /undefined was thrown/],
  'throw-symbol': [THREW, 'symbol', /Symbol\(s\)/],
  'throw-revoked-proxy': [THREW, 'Object', /no Error/],
  'throw-bigint': [THREW, 'bigint', /7 \(a bigint\)/],
  'throw-function': [THREW, 'function', /a function/],
  'throw-throwing-getters': [THREW, 'Object', /no Error/],
  'return-circular': [INVALID, 'InvalidReply', /circular/],
  'return-bigint': [INVALID, 'InvalidReply', /BigInt/],
  'return-symbol': [INVALID, 'InvalidReply', /data of the reply is a symbol/],
  'return-function': [INVALID, 'InvalidReply', /data of the reply is a function/],
  'return-number': [INVALID, 'InvalidReply', /the reply is a number/],
  'return-no-type': [INVALID, 'InvalidReply', /no type/],
  'return-object-attribute': [INVALID, 'InvalidReply', /an object as attribute "subject"/],
  'return-upper-case-attribute': [INVALID, 'InvalidReply', /"orderId"/],
}

for (const [name, [code, errorClass, message]] of Object.entries(FAULTS)) {
  test(`${name} is a fault of class ${errorClass}`, async () => {
    const result = await values.attacked.toEnd(itemOf(name))
    assert.equal(result.status, 'failed')
    if (result.status !== 'failed') return
    assert.equal(result.fault.code, code)
    assert.equal(result.fault.class, errorClass)
    assert.match(result.fault.message, message)
  })
}

test('data that is nested very deeply comes out, or is a fault of its event alone', async () => {
  const result = await values.attacked.toEnd(itemOf('stringify-deep'))
  assert.ok(result.status === 'done' || result.status === 'failed')
})

test('all of them left the functions around them alone', () => values.calm())

test('a lone surrogate goes out as its escape', async () => {
  const result = await values.attacked.toEnd(itemOf('return-lone-surrogate'))
  assert.equal(result.status, 'done')
  const [reply] = result.status === 'done' ? result.replies : []
  assert.equal(reply?.data?.bytes.toString(), String.raw`{"text":"\ud800"}`)
})

test('a dangling rejection is logged and costs no result', async () => {
  const items = ['reply', 'dangling-rejection', 'reply', 'dangling-rejection', 'reply']
  const results = await values.attacked.run(items.map((type) => itemOf(type)))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['done', 'done', 'done', 'done', 'done'],
  )
  await values.attacked.toEnd(itemOf('reply'))
  assert.ok(
    values.lines.some(({ message }) => /unhandled rejection: Error: nobody looks/.test(message)),
  )
})

const POLLUTERS = [
  'object-then',
  'object-to-json',
  'array-methods',
  'promise-methods',
  'json-and-strings',
  'freeze-everything',
]

for (const name of POLLUTERS) {
  test(`${name} cannot forge or drop another event's result`, async () => {
    const items = [itemOf(name), itemOf('reply'), itemOf('reply'), itemOf(name), itemOf('reply')]
    const results = await pollution.attacked.run(items)
    for (const index of [1, 2, 4]) {
      const result = results[index]
      assert.equal(result?.status, 'done')
      const [reply] = result.status === 'done' ? result.replies : []
      assert.deepEqual(reply?.attributes, { type: 'fine' })
      assert.equal(reply.data?.bytes.toString(), '{"list":[1,2],"text":"x"}')
    }
    await pollution.calm()
  })
}

test('after a loss the next isolate is clean', async () => {
  const later = await pollution.attacked.toEnd(itemOf('reply-later', { alone: true }))
  assert.equal(later.status, 'done')
})
