import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { METRICS, type MetricEntry } from '../../../runtime/telemetry/metric-names.ts'

const PAGE = new URL('../../../docs/reference/metrics.md', import.meta.url)

test('docs/reference/metrics.md lists exactly the metrics of the table', async () => {
  const page = await readFile(PAGE, 'utf8')
  const rows = page.split('\n').filter((line) => /^\| `(cloudevents|millrace)_/.test(line))
  const documented = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const expected = Object.entries<MetricEntry>(METRICS).map(([name, { type, labels, help }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ])
  assert.deepEqual(documented, expected)
})
