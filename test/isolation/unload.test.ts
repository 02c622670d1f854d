/** Functions that go while others stay: their isolates, and in the end their worker, go with them. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { IsolatePool } from '../../runtime/contract/work.ts'
import { createIsolatePool } from '../../runtime/isolate/pool.ts'
import { transformFunction } from '../../runtime/isolate/transform-bundle.ts'
import {
  bundleOf,
  itemOf,
  manifestOf,
  openFunction,
  rssMiB,
  workerPids,
  type Opened,
} from '../support/isolate.ts'
import { SILENT } from '../support/silent-log.ts'

const REPLIES = `export const handler = () => ({ type: 'fine' })`
const WAITS = `export const handler = () => new Promise((resolve) => setTimeout(resolve, 60_000))`
const LOADS_SLOWLY = `const until = Date.now() + 300; while (Date.now() < until);${REPLIES}`
const THROWS = `throw new Error('no'); ${REPLIES}`

async function pool(t: TestContext): Promise<IsolatePool> {
  const opened = await createIsolatePool({
    isolation: 'shared',
    log: SILENT,
    maxReplyBytes: 1024 * 1024,
  })
  t.after(() => opened.close())
  return opened
}

async function open(of: IsolatePool, name: string, source = REPLIES): Promise<Opened> {
  return openFunction(of, manifestOf('n', name), await bundleOf(source))
}

async function isWell(one: Opened): Promise<void> {
  assert.equal((await one.one(itemOf('x'))).status, 'done')
}

test('a worker stays as long as one of its functions does, and ends with the last', async (t) => {
  const own = await pool(t)
  const [a, b] = [await open(own, 'a'), await open(own, 'b')]
  const pids = workerPids()
  assert.equal(pids.length, 1)
  await a.runner.close()
  assert.equal(a.runner.trouble(), 'closed')
  assert.equal((await a.one(itemOf('x'))).status, 'again')
  await isWell(b)
  assert.deepEqual(workerPids(), pids)
  await Promise.all([b.runner.close(), b.runner.close()])
  assert.deepEqual(workerPids(), [])
  await isWell(await open(own, 'b'))
})

test('a function can be opened again while it closes, beside others and alone', async (t) => {
  const own = await pool(t)
  const other = await open(own, 'other')
  for (const _ of [1, 2]) {
    const first = await open(own, 'a')
    await isWell(first)
    const closing = first.runner.close()
    const second = await open(own, 'a')
    await closing
    await isWell(second)
    await second.runner.close()
    // In the second turn it is the last one in its worker.
    await other.runner.close()
  }
  assert.deepEqual(workerPids(), [])
})

test('what is in flight in a function that is closed comes back, and others go on', async (t) => {
  const own = await pool(t)
  const [waits, well] = [await open(own, 'waits', WAITS), await open(own, 'well')]
  const results = [1, 2].map(() => waits.one(itemOf('x', { timeoutMs: 60_000 })))
  const suspect = waits.one(itemOf('x', { timeoutMs: 60_000, alone: true }))
  await isWell(well)
  await waits.runner.close()
  for (const result of [...results, suspect]) {
    const { status, ...rest } = await result
    assert.equal(status, 'again')
    assert.ok('suspect' in rest && !rest.suspect)
  }
  assert.deepEqual(waits.runner.inFlight(), { items: 0, bytes: 0 })
  await isWell(well)
  assert.equal(workerPids().length, 1)
})

test('a function whose isolate cannot be stopped at once is closed all the same', async (t) => {
  const own = await pool(t)
  const loops = `export const handler = () => { for (;;); }`
  const [endless, well] = [await open(own, 'endless', loops), await open(own, 'well')]
  const result = endless.one(itemOf('x'))
  await isWell(well)
  await endless.runner.close()
  assert.equal((await result).status, 'again')
  await isWell(well)
})

test('a function that does not load leaves nothing behind', async (t) => {
  const own = await pool(t)
  await assert.rejects(open(own, 'a', THROWS))
  assert.deepEqual(workerPids(), [])
  const well = await open(own, 'well')
  await assert.rejects(open(own, 'a', THROWS))
  await isWell(well)
  assert.equal(workerPids().length, 1)
})

test('functions load and go in one worker without a trace', async (t) => {
  const own = await pool(t)
  const stays = await open(own, 'stays')
  const loading = open(own, 'slow', LOADS_SLOWLY)
  const change = async (turn: number): Promise<void> => {
    const { manifest, bundle } = await transformFunction({
      kind: 'transform',
      name: 'n/t',
      expression: `$merge([$, {"turn": "${turn}"}])`,
    })
    const transform = await openFunction(own, manifest, bundle)
    await isWell(transform)
    await transform.runner.close()
  }
  for (let turn = 0; turn < 5; turn++) await change(turn)
  const [pid] = workerPids()
  assert.ok(pid !== undefined)
  const before = rssMiB(pid)
  for (let turn = 5; turn < 25; turn++) await change(turn)
  const grownMiB = rssMiB(pid) - before
  t.diagnostic(`${Math.round(grownMiB)} MiB more after 20 changes`)
  assert.ok(grownMiB < 40, `${grownMiB} MiB`)
  assert.deepEqual(workerPids(), [pid])
  await isWell(await loading)
  await isWell(stays)
})
