import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findCircles, type FunctionReplies } from '../../../builder/reply-circles.ts'
import type { ReplyLiteral } from '../../../builder/reply-literals.ts'
import type { Filter } from '../../../runtime/contract/metadata.ts'
import { sampleTrigger } from '../../support/sample-manifest.ts'

interface Sketch {
  filters?: Filter[]
  /** Filters of a second trigger. */
  second?: Filter[]
  broker?: string
  replies: Array<Partial<ReplyLiteral>>
}

function functionOf(name: string, sketch: Sketch): FunctionReplies {
  const { filters = [], second, broker = 'events/b', replies } = sketch
  const trigger = (triggerName: string, some: Filter[]) => ({
    ...sampleTrigger(triggerName),
    broker,
    function: name,
    filters: some,
  })
  return {
    manifest: {
      name,
      namespace: 'events',
      file: `functions/${name}.ts`,
      bundle: `${name}.js`,
      map: `${name}.js.map`,
      version: '',
      limits: { memoryMiB: 64, cpuMs: 100 },
      batch: { max: 64 },
      triggers: [
        trigger(name, filters),
        ...(second === undefined ? [] : [trigger(`${name}-2`, second)]),
      ],
    },
    replies: replies.map((reply, index) => ({
      type: 'x',
      attributes: new Map(),
      open: false,
      place: `functions/${name}.ts:${index + 1}`,
      ...reply,
    })),
  }
}

function circlesOf(sketches: Record<string, Sketch>): string[] {
  const functions = Object.entries(sketches).map(([name, sketch]) => functionOf(name, sketch))
  return findCircles(functions).map(({ message }) => message)
}

const exactly = (type: string): Filter[] => [{ exact: { type } }]
const SOURCE: Filter[] = [{ exact: { source: 'legacy' } }]

const OWN: Array<[says: string, sketch: Sketch, found: 'matches' | 'may match' | undefined]> = [
  ['another type', { filters: exactly('y'), replies: [{}] }, undefined],
  ['the same type', { filters: exactly('x'), replies: [{}] }, 'matches'],
  ['no filters at all', { replies: [{}] }, 'matches'],
  ['a source that is filled in', { filters: SOURCE, replies: [{}] }, undefined],
  [
    'a source of its own',
    { filters: SOURCE, replies: [{ attributes: new Map([['source', 'other']]) }] },
    undefined,
  ],
  [
    'the source of the cause',
    { filters: SOURCE, replies: [{ attributes: new Map([['source', 'legacy']]) }] },
    'matches',
  ],
  [
    'a source that is not known',
    { filters: SOURCE, replies: [{ attributes: new Map([['source', undefined]]) }] },
    'may match',
  ],
  ['members that are not known', { filters: SOURCE, replies: [{ open: true }] }, 'may match'],
  [
    'the data of the cause',
    {
      filters: [{ data: { n: { gte: 1 } } }],
      replies: [{ attributes: new Map([['data', undefined]]) }],
    },
    'may match',
  ],
  ['no data', { filters: [{ data: { n: { gte: 1 } } }], replies: [{}] }, undefined],
  [
    'an attribute that is filled in',
    { filters: [{ exact: { partitionkey: 'k' } }], replies: [{}] },
    'may match',
  ],
  [
    'the count that nobody but the runtime sets',
    {
      filters: [{ exact: { millracehops: '1' } }],
      replies: [{ attributes: new Map([['millracehops', '5']]) }],
    },
    'may match',
  ],
]

describe('findCircles', () => {
  for (const [says, sketch, found] of OWN) {
    it(`${found ?? 'says nothing'}: ${says}`, () => {
      const messages = circlesOf({ a: sketch })
      assert.equal(messages.length, found === undefined ? 0 : 1, messages.join('\n'))
      if (found !== undefined) {
        assert.match(messages[0] ?? '', new RegExp(`of type "x" ${found} its own trigger`))
      }
    })
  }

  it('names one of several triggers, and a type once however often it is replied', () => {
    const messages = circlesOf({
      a: { filters: exactly('y'), second: exactly('x'), replies: [{}, {}] },
    })
    assert.equal(messages.length, 1)
    assert.match(
      messages[0] ?? '',
      /^functions\/a\.ts:1: .* may match one of its own triggers, events\/a-2 \(it depends on what it replies to\)/,
    )
  })

  it('prefers the reply that matches for certain', () => {
    const [message] = circlesOf({
      a: {
        filters: SOURCE,
        replies: [{ open: true }, { attributes: new Map([['source', 'legacy']]) }],
      },
    })
    assert.match(message ?? '', /^functions\/a\.ts:2: .* matches its own trigger/)
  })

  it('keeps brokers apart: a reply goes where its cause came from', () => {
    assert.deepEqual(
      circlesOf({
        a: { filters: exactly('x'), replies: [{ type: 'y' }] },
        b: { filters: exactly('y'), replies: [{ type: 'x' }], broker: 'events/other' },
      }),
      [],
    )
  })

  it('finds every circle once, the shortest through each reply', () => {
    const messages = circlesOf({
      a: { filters: exactly('x'), replies: [{ type: 'y' }] },
      b: { filters: exactly('y'), replies: [{ type: 'x' }, { type: 'z' }] },
      c: { filters: exactly('z'), replies: [{ type: 'x' }] },
      d: { filters: exactly('x'), replies: [{ type: 'end' }] },
    })
    assert.deepEqual(
      messages.map((message) => message.match(/functions\/\w\.ts:\d replies/g)),
      [
        ['functions/a.ts:1 replies', 'functions/b.ts:1 replies'],
        ['functions/a.ts:1 replies', 'functions/b.ts:2 replies', 'functions/c.ts:1 replies'],
      ],
    )
  })
})
