/** Commands that read Knative's resources, with the real `fn`. */
import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { project, type Project } from '../../support/project.ts'
import { annotation, ref, resourceText } from '../../support/resources.ts'

const SHOP = path.join(import.meta.dirname, '../../support/knative-shop')
const EVENT = JSON.stringify({
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'com.example.books.sold',
})

const PACKER = `
  import type { FunctionMetadata } from 'millrace'
  export const metadata = {} satisfies FunctionMetadata
  export function handler(): void {}
`

/** With the shop's resources in `shop/`. */
async function shop(t: TestContext, functions: Record<string, string> = {}): Promise<Project> {
  const p = await project(t, functions)
  await cp(SHOP, path.join(p.dir, 'shop'), { recursive: true })
  await p.write('event.json', EVENT)
  return p
}

interface Explained {
  trigger: string
  matches: boolean
  failed: unknown[]
}

describe('fn lag of triggers that stand in YAML', () => {
  it('knows them by the configuration, and says so where it knows none', async (t) => {
    const p = await shop(t, { 'packer.ts': PACKER })
    assert.equal((await p.fn(['build'])).code, 0)
    const running = await p.start(['-f', 'shop'])
    await running.end('SIGTERM')
    const { code, stdout, stderr } = await p.fn(['lag'])
    assert.deepEqual([code, stdout], [0, ''])
    assert.match(stderr, /^no trigger is known here\. .* "resources" in millrace\.config\.json$/m)

    await p.write('millrace.config.json', JSON.stringify({ resources: ['shop'] }))
    const lines = await p.json<{ trigger: string }>(['lag'])
    assert.deepEqual([...new Set(lines.map(({ trigger }) => trigger))].toSorted(), [
      'books/pack',
      'books/pay',
      'books/take-back',
    ])
  })
})

describe('fn explain -f', () => {
  it('needs no project, and leaves out the steps of flows', async (t) => {
    const p = await shop(t)
    const durable = annotation('millrace.dev/durable', 'each')
    const sequence = resourceText('Sequence', 's', '  steps: [{ uri: "http://a" }]', durable)
    await p.write('shop/sequence.yaml', sequence)
    const lines = await p.json<Explained>(['explain', '--event', 'event.json', '-f', 'shop'])
    assert.deepEqual(
      lines.map(({ trigger, matches }) => [trigger, matches]),
      [
        ['books/take-back', false],
        ['books/pack', true],
        ['books/pay', false],
      ],
    )
    assert.deepEqual(lines[2]?.failed, [
      {
        clause: 'prefix.type',
        expected: 'com.example.books.paid',
        actual: 'com.example.books.sold',
      },
    ])
  })

  it('takes one document or several, from files or standard input for the event', async (t) => {
    const p = await shop(t)
    const args = ['explain', '--event', '-', '-f', 'shop/broker.yaml', '-f', 'shop/triggers.yaml']
    const { code, stdout, stderr } = await p.fn(args, EVENT)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^matches {2}books\/pack → http:\/\/packer\.books\.svc\.cluster\.local$/m)
    assert.match(stderr, /^note: shop\/broker\.yaml:25: data\["bootstrap\.servers"\]: /m)
  })

  it('refuses wrong resources', async (t) => {
    const p = await shop(t)
    await p.write('t.yaml', resourceText('Trigger', 't', '  brokr: b'))
    const { code, stderr } = await p.fn(['explain', '--event', 'event.json', '-f', 't.yaml'])
    assert.equal(code, 1)
    assert.equal(
      stderr,
      't.yaml:7: spec.subscriber: is missing\nt.yaml:8: spec.brokr: is not known; did you mean "broker"? (FN_RESOURCE_INVALID)\n',
    )
  })
})

describe('fn check -f', () => {
  it('finds nothing in the shop, without functions and with them, by flag or configuration', async (t) => {
    const bare = await shop(t)
    await bare.write('millrace.config.json', '{ "resources": ["shop"] }')
    const alone = await bare.fn(['check'])
    assert.deepEqual([alone.code, alone.stdout], [0, ''], alone.stderr)
    assert.match(alone.stderr, /^shop: nothing wrong$/m)
    const p = await shop(t, { 'packer.ts': PACKER })
    const together = await p.fn(['check', '-f', 'shop'])
    assert.deepEqual([together.code, together.stdout], [0, ''], together.stderr)
    assert.match(together.stderr, /services\.yaml:35: .*the function packer takes its place/)
  })

  it('says that no trigger names a function, where none does', async (t) => {
    const p = await shop(t, { 'packer.ts': PACKER })
    const { code, stdout } = await p.fn(['check'])
    assert.equal(code, 2)
    assert.match(stdout, /^advice: functions\/packer\.ts: no trigger names it/)
  })

  it('finds errors, clashes with metadata, and filters that no event can match', async (t) => {
    const p = await shop(t, {
      'packer.ts': PACKER.replace(
        '= {}',
        `= { triggers: [{ name: 'pack', broker: 'books/shop', filters: [{ exact: { type: 'other' } }] }] }`,
      ),
    })
    await p.write(
      'more.yaml',
      resourceText(
        'Trigger',
        'never',
        `  broker: b\n  subscriber: ${ref('Service', 'packer')}\n  filters: [{ exact: { type: a } }, { exact: { type: b } }]`,
      ) + resourceText('Trigger', 'wrong', '  broker: b\n  subscriber: {}'),
    )
    const findings = await p.fn(['check', '-f', 'shop', '-f', 'more.yaml', '--json'])
    assert.equal(findings.code, 2, findings.stderr)
    const lines = findings.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; message: string })
    assert.deepEqual(
      lines.map(({ kind, message }) => `${kind}: ${message.slice(0, 62)}`),
      [
        'resources: more.yaml:19: spec.subscriber: needs a ref or a uri',
        'resources: shop/triggers.yaml:2: trigger books/pack stands in functions/p',
        'advice: more.yaml:2: trigger events/never: no event can match: exact.t',
      ],
    )
  })
})

describe('fn explain', () => {
  it('tells why there is nothing that a filter could look at, and how an expression fails', async (t) => {
    const p = await shop(t)
    const filters = '  filters: [{ data: { amount: { gt: 5 } } }, { cesql: INT(type) > 3 }]'
    const trigger = `  broker: b\n  subscriber: { uri: "http://a" }\n${filters}`
    await p.write(
      't.yaml',
      resourceText('Broker', 'b', '  {}') + resourceText('Trigger', 't', trigger),
    )
    const { stdout } = await p.fn(['explain', '--event', 'event.json', '-f', 't.yaml'])
    assert.equal(
      stdout,
      [
        'no       events/t → http://a',
        '           data.amount.gt: expected 5, is null (the event has no data)',
        '           cesql: expected "INT(type) > 3", is "cast error: \\"com.example.books.sold\\" is no Integer"',
        '',
      ].join('\n'),
    )
  })
})

describe('fn docs -f', () => {
  it('documents the triggers of YAML, with the functions that they name', async (t) => {
    const p = await shop(t)
    const alone = await p.fn(['docs', '-f', 'shop', '--format', 'json'])
    assert.equal(alone.code, 0, alone.stderr)
    assert.equal(
      subscriberIn(alone.stdout, 'books.pay'),
      'service http://till.books.svc.cluster.local:8080/payments',
    )
    await p.write(
      'functions/packer.ts',
      PACKER.replace('{}', "{ description: 'Packs.' }").replace(
        '(): void {}',
        "() { return { type: 'packed' } }",
      ),
    )
    const beside = await p.fn(['docs', '-f', 'shop', '--format', 'json'])
    assert.equal(beside.code, 0, beside.stderr)
    assert.equal(subscriberIn(beside.stdout, 'books.pack'), 'function packer')
    assert.match(beside.stdout, /"books\.shop\.packer\.send"/)
  })
})

function subscriberIn(text: string, trigger: string): unknown {
  const { operations } = JSON.parse(text) as { operations: Record<string, Record<string, unknown>> }
  return operations[`${trigger}.receive`]?.['x-millrace-subscriber']
}

describe('fn import', () => {
  interface Imported {
    functions: Array<{ name: string; exists: boolean; metadata: { triggers: unknown[] } }>
    kept: unknown[]
    topology: { triggers: Array<{ name: string }>; flows: Array<{ name: string }> }
  }

  it('says as metadata what functions do or could do, and the rest as what runs', async (t) => {
    const p = await shop(t, { 'packer.ts': PACKER })
    const [imported] = await p.json<Imported>(['import', '-f', 'shop'])
    assert.ok(imported)
    const [packer] = imported.functions
    assert.deepEqual(packer, {
      name: 'packer',
      exists: true,
      metadata: {
        triggers: [
          {
            name: 'pack',
            broker: 'books/shop',
            filters: [{ exact: { type: 'com.example.books.sold' } }],
          },
        ],
        delivery: { retry: 4, backoffPolicy: 'linear', backoffDelay: 'PT2S', timeout: 'PT10M' },
      },
    })
    assert.deepEqual(
      imported.topology.triggers.map(({ name }) => name),
      ['take-back', 'pay'],
    )
    assert.deepEqual(
      imported.topology.flows.map(({ name }) => name),
      ['books/take-back', 'books/refund'],
    )
  })

  it('prints metadata that can be pasted', async (t) => {
    const p = await shop(t)
    const { code, stdout, stderr } = await p.fn(['import', '-f', 'shop'])
    assert.equal(code, 0)
    assert.match(stderr, /^note: shop\/broker\.yaml:25: /m)
    const [, pasted] =
      /^(export const metadata = [^]*?satisfies FunctionMetadata)$/m.exec(stdout) ?? []
    assert.ok(pasted)
    assert.match(stdout, /^\/\/ functions\/packer\.ts, once it is there; /m)
    assert.match(stdout, /^# beside the functions\nbrokers:\n {2}- name: books\/shop$/m)
    const source = `import type { FunctionMetadata } from 'millrace'\n${pasted}\nexport function handler(): void {}\n`
    await p.write('functions/packer.ts', source)
    const built = await p.fn(['build'])
    assert.equal(built.code, 0, built.stderr)
    // One trigger, said twice, is one.
    const both = await p.json<Explained>(['explain', '--event', 'event.json', '-f', 'shop'])
    assert.deepEqual(
      both.map(({ trigger }) => trigger),
      ['books/pack', 'books/take-back', 'books/pay'],
    )
  })

  it('ends with 1 where a resource is wrong, and with 64 where none is named', async (t) => {
    const p = await shop(t)
    await p.write('t.yaml', 'a: [')
    const wrong = await p.fn(['import', '-f', 't.yaml', '--json'])
    assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
    assert.match(wrong.stderr, /^error: t\.yaml:\d: no YAML that can be read: /)
    assert.equal((await p.fn(['import'])).code, 64)
  })
})

describe('fn start -f', () => {
  it('takes resources from files or from a cluster, not from both', async (t) => {
    const p = await shop(t)
    const { code, stderr } = await p.fn(['start', '-f', 'shop', '--resources-from', 'cluster'])
    assert.equal(code, 64)
    assert.match(stderr, /from files or from a cluster/)
  })

  it('says what the controller needs where there is no cluster', async (t) => {
    const p = await shop(t, { 'packer.ts': PACKER })
    await p.fn(['build'])
    const kubeconfig = ['--kubeconfig', 'nowhere.yaml']
    const flags = ['--role', 'controller', '--port', '0', '--metrics-port', '0', ...kubeconfig]
    const { code, stderr } = await p.fn(['start', ...flags])
    assert.equal(code, 1)
    assert.match(stderr, /kubeconfig cannot be read: .*nowhere\.yaml.*service account/)
  })
})
