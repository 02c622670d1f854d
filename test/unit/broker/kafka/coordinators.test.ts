import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Coordinators } from '../../../../runtime/broker/kafka/coordinators.ts'
import { CODE } from '../../../../runtime/broker/kafka/protocol-codes.ts'
import { Transient } from '../../../../runtime/broker/kafka/transient.ts'

/** Answers with `codes`, by name; `fails` counts down requests that get no answer. */
function scripted(codes: Record<string, number> = {}): {
  coordinators: Coordinators
  asked: Array<[keyType: number, names: string[]]>
  fail: () => void
} {
  const asked: Array<[number, string[]]> = []
  let fails = 0
  const coordinators = new Coordinators({
    ask: async (keyType, names) => {
      asked.push([keyType, names])
      if (fails-- > 0) throw new Transient('nobody there')
      const found = names.map((key, port) => {
        return { key, nodeId: 0, host: key, port, errorCode: codes[key] ?? 0, errorMessage: null }
      })
      return { throttleTimeMs: 0, coordinators: found }
    },
    refusal: (code, what) => new Error(`${code}: ${what}`),
  })
  return { coordinators, asked, fail: () => (fails = 1) }
}

test('coordinators that are wanted at about one time are asked for together, and once', async () => {
  const { coordinators, asked } = scripted()
  const first = ['a', 'b', 'a'].map((name) => coordinators.find(name, 'group'))
  await Promise.resolve().then(() => {})
  const later = [coordinators.find('c', 'group'), coordinators.find('a', 'transaction')]
  const hosts = await Promise.all([...first, ...later]).then((all) => all.map(({ host }) => host))
  assert.deepEqual(hosts, ['a', 'b', 'a', 'c', 'a'])
  const byNames = asked.toSorted(([, a], [, b]) => (String(a) < String(b) ? -1 : 1))
  assert.deepEqual(byNames, [
    [1, ['a']],
    [0, ['a', 'b']],
    [0, ['c']],
  ])
  await coordinators.find('b', 'group')
  assert.equal(asked.length, 3)
  coordinators.forget('b', 'group')
  await coordinators.find('b', 'group')
  assert.equal(asked.length, 4)
})

test('one without a coordinator, and one that is refused, hold up no other', async () => {
  const { coordinators } = scripted({ early: CODE.coordinatorNotAvailable, mine: 30 })
  const [early, mine, well] = await Promise.allSettled(
    ['early', 'mine', 'well'].map((name) => coordinators.find(name, 'group')),
  )
  assert.ok(early?.status === 'rejected' && early.reason instanceof Transient)
  assert.ok(mine?.status === 'rejected' && /30: find .* group mine/.test(String(mine.reason)))
  assert.equal(well?.status, 'fulfilled')
})

test('a request that gets no answer fails for all who wait for it, and the next one is made', async () => {
  const { coordinators, fail } = scripted()
  fail()
  const all = await Promise.allSettled(['a', 'b'].map((name) => coordinators.find(name, 'group')))
  assert.deepEqual(
    all.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal((await coordinators.find('a', 'group')).host, 'a')
})
