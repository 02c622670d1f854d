import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordBytes } from '../../../runtime/ingress/record-size.ts'

test('a record is as large as its key, value and headers, in bytes of UTF-8', () => {
  const record = { topic: 't', partitionBy: 'ignored', key: 'é', value: Buffer.alloc(7) }
  assert.equal(
    recordBytes({
      ...record,
      headers: [
        ['ce_id', '€'],
        [Buffer.from('x'), null],
      ],
    }),
    18,
  )
  assert.equal(recordBytes({ ...record, key: null, value: null, headers: [] }), 0)
})
