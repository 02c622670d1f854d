/** What the fault runs read: the metrics' text, and what Kafka's console consumer writes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecord } from '../../faults/console-reader.ts'
import { readOptions } from '../../faults/options.ts'
import { Random } from '../../faults/random.ts'
import { readScrape } from '../../faults/scraper.ts'

describe('a scrape', () => {
  const text = (inFlight: number): string => `
# TYPE millrace_records_consumed_total counter
millrace_records_consumed_total{trigger="n/a"} 10
millrace_records_consumed_total{trigger="n/b"} 7
millrace_outcomes_total{trigger="n/a",outcome="acked"} 4
millrace_outcomes_total{trigger="n/a",outcome="filtered"} 3
millrace_outcomes_total{trigger="n/b",outcome="acked"} 7
millrace_in_flight{trigger="n/a"} ${inFlight}
millrace_in_flight{trigger="n/b"} 0
millrace_assigned_partitions 4
`

  it('gives what is in flight and whether the books add up', () => {
    const { inFlight, assignedPartitions, books } = readScrape(text(3))
    assert.deepEqual([inFlight, assignedPartitions], [3, 4])
    assert.deepEqual(Object.fromEntries(books), { 'n/a': 0, 'n/b': 0 })
  })

  it('tells by how much they do not', () => {
    assert.deepEqual(Object.fromEntries(readScrape(text(2)).books), { 'n/a': 1, 'n/b': 0 })
  })
})

describe("a record of Kafka's console consumer", () => {
  const line = (headers: string, key: string, value: string): string =>
    ['CreateTime:17', 'Partition:3', 'Offset:42', headers, key, value].join('<|field|>')

  it('is read with headers that hold line breaks, commas and colons', () => {
    const headers = 'ce_id:e1<|header|>millrace-stack:Error: no,\n\tat a.ts:1:2'
    assert.deepEqual(parseRecord('t', line(headers, 'k1', '{"n":1}')), {
      topic: 't',
      partition: 3,
      offset: 42,
      at: 17,
      key: 'k1',
      headers: { ce_id: 'e1', 'millrace-stack': 'Error: no,\n\tat a.ts:1:2' },
      value: '{"n":1}',
    })
  })

  it('has null where there is no key, no value, no headers', () => {
    const record = parseRecord('t', line('NO_HEADERS', '<|null|>', '<|null|>'))
    assert.deepEqual([record.key, record.value, record.headers], [null, null, {}])
  })
})

describe('the schedule', () => {
  it('repeats with its seed', () => {
    const draws = (seed: number): number[] => {
      const random = new Random(seed)
      return Array.from({ length: 50 }, () => random.between(1, 6))
    }
    assert.deepEqual(draws(7), draws(7))
    assert.notDeepEqual(draws(7), draws(8))
    assert.deepEqual(
      [...new Set(draws(7))].toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6],
    )
  })

  it('names the modes when one is unknown', () => {
    assert.throws(() => readOptions(['--mode', 'kil']), /kil is none of kill, term, freeze/)
    assert.throws(() => readOptions(['--seed', 'x']), /--seed x is no whole number/)
  })
})
