import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'

const MISSING = 'promtool is not on the PATH (Debian: apt-get install prometheus)'

test('promtool check metrics finds nothing wrong', async (t) => {
  if (spawnSync('promtool', ['--version']).error !== undefined) {
    assert.notEqual(process.env['CI'], 'true', MISSING)
    t.skip(MISSING)
    return
  }
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await usedMetrics().render(),
    encoding: 'utf8',
  })
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
})

/** With a sample in every metric, and labels that need escapes. */
function usedMetrics(): ReturnType<typeof createMetrics> {
  const metrics = createMetrics()
  const trigger = metrics.forTrigger('events/orders')
  trigger.consumed(3)
  trigger.outcome('acked')
  trigger.received('type with "quotes"', 'back\\slash\nline')
  trigger.processed('type with "quotes"', 'success', 0.01)
  trigger.attempt('done')
  trigger.retry()
  metrics.isolateKilled('orders', 'cpu')
  metrics.ingress.request(202)
  metrics.ingress.append(0.002)
  metrics.ingress.bufferedBytes(() => 1)
  metrics.atScrape({
    consumerLag: () => [{ trigger: 'events/orders', topic: 't', partition: 0, lag: 2 }],
    workerRssBytes: () => 1,
    assignedPartitions: () => 1,
  })
  return metrics
}
