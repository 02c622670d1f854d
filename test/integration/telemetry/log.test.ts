import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const LOG = new URL('../../../runtime/telemetry/log.ts', import.meta.url).href

for (const format of ['json', 'pretty'] as const) {
  test(`${format} lines go to stderr before the call returns, and stdout stays empty`, () => {
    const script = `
      import { createLogger } from ${JSON.stringify(LOG)}
      createLogger({ level: 'info', format: '${format}' }).info({ n: 1 }, 'last words')
      process.kill(process.pid, 'SIGKILL')
    `
    const { stdout, stderr, signal } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script],
      { encoding: 'utf8' },
    )
    assert.equal(signal, 'SIGKILL')
    assert.equal(stdout, '')
    assert.match(stderr, /last words/)
    assert.ok(!stderr.includes('\u001B'), 'no colours without a terminal')
  })
}
