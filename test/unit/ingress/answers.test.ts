import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { STATUS_OF_REFUSAL } from '../../../runtime/ingress/answers.ts'

const PAGE = new URL('../../../docs/reference/ingress.md', import.meta.url)

test('docs/reference/ingress.md lists exactly the refusals of the table', async () => {
  const page = await readFile(PAGE, 'utf8')
  const documented = [...page.matchAll(/^\| (\d{3}) +\| `(FN_\w+)` +\|/gm)].map(
    ([, status, code]) => [code, Number(status)],
  )
  assert.deepEqual(documented, Object.entries(STATUS_OF_REFUSAL))
})
