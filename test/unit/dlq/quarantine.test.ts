import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AppendRecord, AppendResult, LogRecord } from '../../../runtime/contract/broker.ts'
import { keepInQuarantine, quarantineRecord } from '../../../runtime/dlq/quarantine.ts'
import { SILENT } from '../../support/silent-log.ts'

const RECORD: LogRecord = {
  offset: 7,
  timestamp: 1_000,
  key: Buffer.from([0xff, 0]),
  value: Buffer.from([0, 1, 2, 0xff]),
  headers: [
    [Buffer.from('ce_id'), Buffer.from([0xc0])],
    [Buffer.from('ce_id'), null],
  ],
}

describe('quarantine', () => {
  it('keeps the record byte for byte, with where it came from and why', () => {
    const kept = quarantineRecord(
      { topic: 'orders', partition: 2 },
      RECORD,
      new Error('no ce_source'),
      'orders.quarantine',
    )
    assert.equal(kept.topic, 'orders.quarantine')
    assert.deepEqual([kept.key, kept.value, kept.timestamp], [RECORD.key, RECORD.value, 1_000])
    assert.deepEqual(kept.headers, [
      ...RECORD.headers,
      ['millrace-origin', 'orders/2/7'],
      ['millrace-quarantine-reason', 'no ce_source'],
    ])
  })

  it('does not let go before the record is durable', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let tries = 0
    let safe = false
    const append = async (records: AppendRecord[]): Promise<AppendResult[]> => {
      tries++
      return records.map(({ topic }) =>
        tries < 4
          ? { ok: false, topic, error: new Error('down') }
          : { ok: true, topic, partition: 0, offset: 0 },
      )
    }
    const record = quarantineRecord(
      { topic: 'o', partition: 0 },
      RECORD,
      new Error('x'),
      'o.quarantine',
    )
    const kept = keepInQuarantine(append, record, SILENT).then(() => {
      safe = true
    })
    for (let i = 0; i < 4; i++) {
      assert.equal(safe, false)
      await new Promise((resolve) => setImmediate(resolve))
      t.mock.timers.tick(5_000)
    }
    await kept
    assert.equal(tries, 4)
  })
})
