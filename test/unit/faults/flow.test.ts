/** The fault runs' chain as a flow: what it is called in the log, and what is read as whose. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainNames, type ChainOptions } from '../../faults/chain.ts'
import { FLOWS, flowResources } from '../../faults/flow.ts'
import { readOptions } from '../../faults/options.ts'
import { readTopics, type TopicReader } from '../../faults/read-topics.ts'
import { readScrape } from '../../faults/scraper.ts'
import type { RawRecord } from '../../invariants/logged-event.ts'
import { compiled } from '../../support/resources.ts'

const OPTIONS: Omit<ChainOptions, 'flow'> = {
  namespace: 'n',
  waitMs: 1,
  retry: { retries: 2, delayMs: 50 },
  exactlyOnce: false,
  dedupe: false,
}

function record(type: string, headers: Record<string, string> = {}): RawRecord {
  return {
    topic: '',
    partition: 0,
    offset: 7,
    at: 1,
    key: 'k1',
    headers: { ce_id: 'e1', ce_source: '/s', ce_type: type, ...headers },
    value: '{"key":"k1","n":1}',
  }
}

function readerOf(log: Record<string, RawRecord[]>): TopicReader {
  return async (topic, take) => {
    for (const one of log[topic] ?? []) take({ ...one, topic })
  }
}

describe('the chain as a flow', () => {
  for (const flow of FLOWS) {
    it(`is called in the log as the resources make it, durable: ${flow}`, () => {
      const given = { named: ['a', 'b', 'c'] }
      const text = flowResources({ ...OPTIONS, flow }, flow)
      const { errors, topology } = compiled(text, given)
      assert.deepEqual(errors, [])
      const reads = topology.triggers.map(({ group, topic }) => `${group} ${topic}`)
      const { readers } = chainNames('n', flow)
      assert.deepEqual(
        reads.toSorted(),
        readers.map((one) => `${one.group} ${one.topic}`).toSorted(),
      )
      const policies = [...topology.triggers, ...topology.flows.flatMap(({ steps }) => steps)]
        .filter(({ subscriber }) => subscriber.kind === 'function')
        .map(({ delivery }) => [delivery.retry, delivery.backoffDelayMs])
      assert.deepEqual(policies, [
        [2, 50],
        [2, 50],
        [2, 50],
      ])
    })
  }

  it('gives each dead letter to the function that its step names, and none to another', async () => {
    const letters = 'knative-trigger-n-load.dlq'
    const step = (name: string): RawRecord => record('load.one', { ce_fnstep: name })
    const topics = await readTopics(
      chainNames('n', 'ends'),
      readerOf({ [letters]: [step('chain-kn-sequence-1'), step('other'), record('load.in')] }),
    )
    const { a, b, c } = topics.deadLetters
    assert.deepEqual([a.length, b.length, c.length], [0, 1, 0])
    assert.deepEqual(topics.strange, [
      `${letters}/0/7 is a dead letter of other`,
      `${letters}/0/7 is a dead letter of no step`,
    ])
  })

  it('knows an event in a topic between steps from the same one in the broker', async () => {
    const { way, ...names } = chainNames('n', 'each')
    const { events } = await readTopics(
      { ...names, way },
      readerOf({
        [names.topic]: [record('load.in')],
        'knative-messaging-kafka.n.chain-kn-sequence-0': [record('load.in')],
        'knative-messaging-kafka.n.chain-kn-sequence-2': [record('load.one')],
      }),
    )
    const found = events.map(({ type }) => type)
    assert.deepEqual(found, ['load.in', 'load.in before a', 'load.one before c'])
    // The last one lies where it must not: the checker says so.
    assert.deepEqual(
      found.map((type) => way.includes(type)),
      [true, true, false],
    )
  })

  it('counts an event that is in several steps of one process once', () => {
    const text = ['n/load', 'n/chain-kn-sequence-0']
      .map((trigger) => `millrace_in_flight{trigger="${trigger}"} 5`)
      .join('\n')
    assert.equal(readScrape(text, chainNames('n', 'ends').entry).inFlight, 5)
    assert.equal(readScrape(text, chainNames('n', 'each').entry).inFlight, 10)
  })

  it('is not asked for with what YAML cannot say', () => {
    assert.throws(() => readOptions(['--flow', 'all']), /all is none of ends, each/)
    assert.throws(() => readOptions(['--flow', 'each', '--exactly-once']), /exactly-once/)
  })
})
