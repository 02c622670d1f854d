import assert from 'node:assert/strict'
import { subscriberName } from '../../../runtime/contract/subscriber.ts'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from '../../../builder/build.ts'
import { checkProject } from '../../../builder/check.ts'
import { projectFiles } from '../../support/project-files.ts'

const projectDir = fileURLToPath(new URL('../../..', import.meta.url))

test("the repository's functions build, with the guide's triggers", async (t) => {
  const outDir = path.join(await projectFiles(t), 'out')
  const report = await build({ projectDir, functionsDir: 'functions', outDir })
  assert.deepEqual(report.failures, [])
  assert.deepEqual(report.warnings, [])
  const triggers = report.manifest?.functions.flatMap((one) => one.triggers) ?? []
  assert.deepEqual(
    triggers.map(
      (trigger) => `${subscriberName(trigger.subscriber)}: ${trigger.namespace}/${trigger.name}`,
    ),
    [
      'event-monitor: events/event-monitor',
      'high-value-filter: events/high-value-filter',
      'inventory-checker: events/inventory-checker',
      'inventory-reserver: events/inventory-reserver',
      'legacy-transformer: events/legacy-transformer',
      'order-finalizer: events/order-finalizer',
      'order-processor: events/order-events',
      'order-processor: events/payment-events',
      'order-validator: events/process-orders',
      'premium-order-processor: events/high-value-orders',
      'pricing-calculator: events/pricing-calculator',
    ],
  )
  assert.ok(triggers.every(({ broker }) => broker === 'events/kafka-broker'))
})

test("the repository's functions give the checker nothing to say", async () => {
  assert.deepEqual(await checkProject({ projectDir, functionsDir: 'functions' }), {
    findings: [],
    notes: [],
  })
})
