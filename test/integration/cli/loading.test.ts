/** Every command loads `cli/main.ts`, and with it what its neighbours import at the top of their files. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const MAIN = join(import.meta.dirname, '..', '..', '..', 'cli', 'main.ts')

/** Tells at its end which packages the process has loaded. */
const OBSERVER = `
  import { registerHooks } from 'node:module'
  const packages = new Set()
  registerHooks({
    load(url, context, next) {
      const name = /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]
      if (name !== undefined) packages.add(name)
      return next(url, context)
    },
  })
  process.on('exit', () => console.error(JSON.stringify([...packages])))
`

test('fn loads no library before a command needs it', async () => {
  const observer = `data:text/javascript,${encodeURIComponent(OBSERVER)}`
  const { stderr } = await promisify(execFile)(process.execPath, [
    '--import',
    observer,
    MAIN,
    '--help',
  ])
  assert.deepEqual(JSON.parse(stderr), ['commander'])
})
