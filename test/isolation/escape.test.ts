/** Ways out of an isolate (case 37). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AttackRig, itemOf } from '../support/isolate.ts'

let rig: AttackRig
before(async () => {
  rig = await AttackRig.open('escape')
})
after(() => rig.close())

async function found(type: string): Promise<unknown> {
  const result = await rig.attacked.toEnd(itemOf(type))
  assert.equal(result.status, 'done')
  const [reply] = result.status === 'done' ? result.replies : []
  return JSON.parse(reply?.data?.bytes.toString() ?? 'null')
}

test('no constructor in reach makes code from a string', async () => {
  assert.deepEqual(await found('constructors'), Array(8).fill('EvalError'))
})

test('no name of the host or of the kernel is in reach', async () => {
  assert.deepEqual(await found('globals'), [])
})

test('import() finds no module', async () => {
  const [name] = (await found('import-fs')) as string[]
  assert.match(name ?? '', /Error$/)
})

test('nothing that can be reached is of a class of isolated-vm', async () => {
  const classes = (await found('scan')) as string[]
  assert.ok(classes.length > 50, `only ${classes.length} classes were found`)
  const ours = ['Isolate', 'Context', 'Script', 'Reference', 'ExternalCopy', 'Callback', 'Module']
  assert.deepEqual(
    classes.filter((name) => ours.includes(name)),
    [],
  )
  await rig.calm()
})
