import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CLUSTER_DEFAULT, policyOf, SOURCE_DEFAULT } from '../../../k8s/read/delivery-policy.ts'
import { KINDS } from '../../../k8s/read/kinds.ts'
import { formatDuration } from '../../../runtime/contract/duration.ts'

const PAGE = readFileSync(new URL('../../../docs/reference/knative.md', import.meta.url), 'utf8')

function cells(heading: string): string[][] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
}

test('the page has every kind that is read, with its versions', () => {
  const rows = cells('Kinds')
  for (const { group, kind, versions } of KINDS) {
    const row = rows.find(([, kinds = '']) => kinds.includes(`\`${kind}\``))
    const [first = '', ...more] = versions.map((one) => (group === '' ? one : `${group}/${one}`))
    const written = row?.[2] ?? ''
    assert.ok(written.includes(`\`${first}\``), `${kind} ${first}`)
    for (const version of more) {
      assert.ok(written.includes(`\`${version.split('/')[1]}\``), `${kind} ${version}`)
    }
  }
})

test('the delivery on the page is the one that is applied', () => {
  const applied = policyOf({}, { kind: 'http', url: 'http://a' })
  const page = new Map(cells('Delivery').map(([, field = '', absent = '']) => [field, absent]))
  assert.equal(page.get('`retry`'), String(applied.retry))
  assert.equal(page.get('`backoffPolicy`'), `\`${applied.backoffPolicy}\``)
  assert.equal(page.get('`backoffDelay`'), `\`${formatDuration(applied.backoffDelayMs)}\``)
  assert.equal(page.get('`timeout`'), `\`${formatDuration(applied.timeoutMs)}\``)
  const retryAfter = formatDuration(applied.retryAfterMaxMs ?? 0)
  assert.ok(page.get('`retryAfterMax`')?.startsWith(`\`${retryAfter}\` for addresses`))
  const { retry, backoffDelay } = CLUSTER_DEFAULT
  assert.ok(PAGE.includes(`\`retry: ${retry}\` with exponential waits from \`${backoffDelay}\``))
  const source = `\`retry: ${SOURCE_DEFAULT.retry}\` from \`${SOURCE_DEFAULT.backoffDelay}\` for a KafkaSource`
  assert.ok(PAGE.includes(source))
})
