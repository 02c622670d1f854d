import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idleFunctions } from '../../../builder/idle-functions.ts'
import { EMPTY_TOPOLOGY, type Topology } from '../../../runtime/contract/topology.ts'
import { compiled, ref, resourceText } from '../../support/resources.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

function idle(topology: Topology, triggers = [] as ReturnType<typeof sampleTrigger>[]): string[] {
  const f = {
    name: 'f',
    namespace: '',
    file: 'functions/f.ts',
    bundle: 'f.js',
    map: 'f.js.map',
    version: '',
    limits: { memoryMiB: 64, cpuMs: 100 },
    batch: { max: 64 },
    triggers,
  }
  return idleFunctions([f], topology).map(({ message }) => message)
}

test('a function that nothing names is idle', () => {
  assert.deepEqual(idle(EMPTY_TOPOLOGY), [
    'functions/f.ts: no trigger names it, so no event reaches it; give its metadata triggers, or name it in a resource and check with -f FILE',
  ])
  assert.deepEqual(idle(EMPTY_TOPOLOGY, [sampleTrigger('f')]), [])
})

test('a trigger, a step, a reply or a dead letter sink names it', () => {
  const f = ref('Service', 'f')
  for (const text of [
    resourceText('Trigger', 't', `  broker: b\n  subscriber: ${f}`),
    resourceText(
      'Trigger',
      't',
      `  broker: b\n  subscriber: { uri: "http://a" }\n  delivery: { deadLetterSink: ${f} }`,
    ),
    resourceText('Sequence', 's', `  steps: [${f}]`),
    resourceText('Sequence', 's', `  steps: [{ uri: "http://a" }]\n  reply: ${f}`),
  ]) {
    assert.deepEqual(idle(compiled(text, { named: ['f'] }).topology), [])
  }
  assert.equal(idle(compiled(resourceText('Broker', 'b', '  {}')).topology).length, 1)
})
