import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Control } from '../../../runtime/consumer/control.ts'
import type { LogRecord, ReadBatch } from '../../../runtime/contract/broker.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { SILENT } from '../../support/silent-log.ts'
import { quiet } from '../../support/test-cursor.ts'

/** A control topic in memory; a read at its end waits. */
class ControlLog {
  readonly records: LogRecord[] = []
  /** What compaction took. */
  start = 0
  failures = 0
  #waiting: Array<() => void> = []

  write(key: string | null, value: string | null): void {
    this.records.push({
      offset: this.records.length,
      timestamp: 0,
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: [],
    })
    this.wake()
  }

  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async ensureTopic(topic: string): Promise<{ topic: string; partitions: number }> {
    return { topic, partitions: 1 }
  }

  async ranges(): Promise<Array<{ topic: string; partition: number; start: number; end: number }>> {
    return [{ topic: 'control', partition: 0, start: this.start, end: this.records.length }]
  }

  async read(
    _: unknown,
    from: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ReadBatch> {
    if (from === this.records.length) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    signal?.throwIfAborted()
    if (this.failures > 0) {
      this.failures--
      throw new MillraceError('FN_BROKER_UNAVAILABLE', 'no answer')
    }
    if (from < this.start) {
      throw new MillraceError('FN_BROKER_OFFSET_OUT_OF_RANGE', 'gone', {
        detail: { start: this.start },
      })
    }
    const end = this.records.length
    return {
      records: this.records.slice(from, from + 2),
      next: Math.min(from + 2, end),
      start: 0,
      end,
    }
  }
}

async function following(
  t: TestContext,
  log: ControlLog,
): Promise<{ control: Control; changes: string[] }> {
  const changes: string[] = []
  const control = new Control({
    broker: log,
    topic: 'control',
    changed: (trigger, paused) => changes.push(`${trigger} ${paused}`),
    log: SILENT,
  })
  t.after(() => control.stop())
  await control.start()
  return { control, changes }
}

const PAUSE = '{"paused":true}'
const RESUME = '{"paused":false}'

describe('Control', () => {
  it('knows at its start what was written before', async (t) => {
    const log = new ControlLog()
    for (const [trigger, value] of [
      ['n/a', PAUSE],
      ['n/b', PAUSE],
      ['n/c', PAUSE],
      ['n/b', RESUME],
      ['n/c', null],
    ] as const) {
      log.write(trigger, value)
    }
    const { control } = await following(t, log)
    assert.deepEqual(
      ['n/a', 'n/b', 'n/c', 'n/d'].map((trigger) => control.isPaused(trigger)),
      [true, false, false, false],
    )
  })

  it('follows what is written later, and says only what changed', async (t) => {
    const log = new ControlLog()
    const { control, changes } = await following(t, log)
    for (const value of [PAUSE, PAUSE, RESUME, RESUME, PAUSE, null]) {
      log.write('n/a', value)
      await quiet()
    }
    assert.deepEqual(changes, ['n/a true', 'n/a false', 'n/a true', 'n/a false'])
    assert.equal(control.isPaused('n/a'), false)
  })

  it('survives records that are no JSON or not about a trigger, and changes nothing for them', async (t) => {
    const log = new ControlLog()
    const { control, changes } = await following(t, log)
    log.write('n/a', PAUSE)
    for (const bad of ['', '{', 'null', '5', '[]', '{"paused":"yes"}', '\u0000']) {
      log.write('n/a', bad)
      await quiet()
    }
    log.write(null, PAUSE)
    log.write('n/b', PAUSE)
    await quiet()
    assert.deepEqual(changes, ['n/a true', 'n/b true'])
    assert.equal(control.isPaused('n/a'), true)
  })

  it('goes on after reads that failed, and after compaction took its place', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const log = new ControlLog()
    const { changes } = await following(t, log)
    log.failures = 2
    log.write('n/a', PAUSE)
    for (let i = 0; i < 3; i++) {
      await quiet()
      t.mock.timers.tick(5_000)
    }
    await quiet()
    assert.deepEqual(changes, ['n/a true'])
    log.start = 3
    log.records.push(...Array.from({ length: 2 }, () => log.records[0] as LogRecord))
    log.write('n/b', PAUSE)
    for (let i = 0; i < 3; i++) {
      await quiet()
      t.mock.timers.tick(5_000)
    }
    await quiet()
    assert.deepEqual(changes, ['n/a true', 'n/b true'])
  })

  it('stops at once', async (t) => {
    const { control } = await following(t, new ControlLog())
    await control.stop()
    await control.stop()
  })
})
