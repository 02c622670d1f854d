import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CatalogReader } from '../../../builder/schemas/catalog.ts'
import { SchemaCompiler } from '../../../runtime/schemas/compile-schema.ts'
import { handler as check } from '../../../functions/inventory-checker.ts'
import { handler as reserve } from '../../../functions/inventory-reserver.ts'
import { handler as finalize } from '../../../functions/order-finalizer.ts'
import { handler as validate } from '../../../functions/order-validator.ts'
import { handler as price } from '../../../functions/pricing-calculator.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const { schemas, errors } = (await CatalogReader.open(ROOT, 'schemas')).catalog([])
const compiler = new SchemaCompiler()

test('the sample order and all that the sequence makes of it fit the schemas', () => {
  assert.deepEqual(errors, [])
  const sample: unknown = JSON.parse(
    readFileSync(new URL('../../../functions/sample-order.json', import.meta.url), 'utf8'),
  )
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const steps = [validate, check, price, reserve, finalize] as Array<
    (event: never, context: never) => unknown
  >
  const seen: string[] = []
  let event = sample as { type: string; data: unknown }
  for (const step of [...steps, undefined]) {
    const schema = schemas[event.type]
    if (schema !== undefined) {
      seen.push(event.type)
      assert.equal(compiler.compile(schema)(event.data), undefined, event.type)
    }
    if (step !== undefined) event = step(event as never, { log } as never) as typeof event
  }
  assert.deepEqual(
    seen.map((type) => type.replace('com.company.orders.', '')),
    ['created', 'validated', 'priced', 'finalized'],
  )
})
