import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../../../runtime/errors.ts'
import { createLogger, type LogOptions } from '../../../runtime/telemetry/log.ts'

function capture(options: Pick<LogOptions, 'level' | 'format'>): {
  log: ReturnType<typeof createLogger>
  lines: string[]
} {
  const lines: string[] = []
  const destination = {
    write: (line: string): void => {
      lines.push(line)
    },
  }
  return { log: createLogger({ ...options, color: false, destination }), lines }
}

test('a JSON line has level, time, the fields and the message', () => {
  const { log, lines } = capture({ level: 'info', format: 'json' })
  log.info({ port: 8080 }, 'ready')
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual(rest, { level: 'info', port: 8080, msg: 'ready' })
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('an error is logged with its code, message and stack', () => {
  const { log, lines } = capture({ level: 'info', format: 'json' })
  log.error({ err: new MillraceError('FN_BROKER_CLOSED', 'gone') }, 'failed')
  const { err } = JSON.parse(lines[0] ?? '') as { err: Record<string, unknown> }
  assert.equal(err['code'], 'FN_BROKER_CLOSED')
  assert.equal(err['message'], 'gone')
  assert.match(String(err['stack']), /log\.test\.ts/)
})

test('lines below the level are not written, and silent writes none', () => {
  const warn = capture({ level: 'warn', format: 'json' })
  warn.log.debug('a')
  warn.log.info('b')
  warn.log.warn('c')
  warn.log.error('d')
  assert.equal(warn.lines.length, 2)
  const silent = capture({ level: 'silent', format: 'json' })
  silent.log.error('a')
  assert.equal(silent.lines.length, 0)
})

test('a child adds its fields, in the pretty format too', () => {
  const { log, lines } = capture({ level: 'debug', format: 'pretty' })
  log.child({ trigger: 'a/b' }).debug({ n: 1 }, 'read')
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d debug read trigger=a\/b n=1\n$/)
})

test('fields named like the parts of a line do not break the pretty format', () => {
  const { log, lines } = capture({ level: 'info', format: 'pretty' })
  log.info({ level: { a: 1 }, time: null, msg: 3 }, 'still fine')
  assert.equal(lines.length, 1)
})
