import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseResources } from '../../../../k8s/read/parse.ts'
import { findingLine } from '../../../../k8s/read/resource.ts'

const TRIGGER = `# routes orders
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: orders
  namespace: events
spec:
  broker: default
  filters:
    - exact:
        type: a
    - any:
        - prefix: { source: /shop }
`

function findingsOf(text: string): string[] {
  return parseResources('f.yaml', text).findings.map(findingLine)
}

describe('parseResources', () => {
  it('knows the line of every field, also of one that is missing', () => {
    const [resource] = parseResources('f.yaml', TRIGGER).resources
    assert.ok(resource)
    assert.equal(resource.place([]), 'f.yaml:2')
    assert.equal(resource.place(['kind']), 'f.yaml:3')
    assert.equal(resource.place(['spec', 'broker']), 'f.yaml:8')
    assert.equal(resource.place(['spec', 'filters', 0, 'exact', 'type']), 'f.yaml:11')
    assert.equal(resource.place(['spec', 'filters', 1, 'any', 0, 'prefix', 'source']), 'f.yaml:13')
    assert.equal(resource.place(['spec', 'subscriber', 'ref']), 'f.yaml:7')
  })

  it('reads many documents, empty ones between them, and counts lines over all of them', () => {
    const text = `---\n---\n${TRIGGER}---\n# nothing\n---\n${TRIGGER.replace('name: orders', 'name: more')}`
    const { resources, findings } = parseResources('f.yaml', text)
    assert.deepEqual(findings, [])
    assert.deepEqual(
      resources.map((one) => [one.name, one.place(['metadata', 'name'])]),
      [
        ['orders', 'f.yaml:7'],
        ['more', 'f.yaml:23'],
      ],
    )
  })

  it('knows the line of what is merged into a map', () => {
    const text = `x: &s
  broker: b
  filters: [{ exact: { typ: a } }]
y: &t { subscriber: s }
spec:
  <<: [*s, *t]
  delivery: {}
apiVersion: v1
kind: A
metadata: { name: a }
`
    const [resource] = parseResources('f.yaml', text).resources
    assert.equal(resource?.place(['spec', 'filters', 0, 'exact', 'typ']), 'f.yaml:3')
    assert.equal(resource?.place(['spec', 'subscriber']), 'f.yaml:4')
    assert.equal(resource?.place(['spec', 'delivery']), 'f.yaml:7')
    assert.equal(resource?.place(['spec', 'nothing']), 'f.yaml:5')
  })

  it('says which alias of a document leads nowhere', () => {
    const line =
      'f.yaml:3: no YAML that can be read: it uses *m, and has no &m before it; what stands in another document does not count'
    assert.deepEqual(findingsOf('a: &m { b: c }\n---\nmetadata: { <<: *m }\n'), [
      'f.yaml:1: apiVersion: is missing',
      line,
    ])
  })

  it('takes a List without items for an empty one', () => {
    const { resources, findings } = parseResources('f.yaml', 'apiVersion: v1\nkind: List\nitems:\n')
    assert.deepEqual([resources, findings], [[], []])
  })

  it('reads JSON, and the items of Lists', () => {
    const item = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })
    const list = { apiVersion: 'v1', kind: 'List', items: [item('a'), item('b')] }
    const { resources, findings } = parseResources('f.json', JSON.stringify(list, null, '\t'))
    assert.deepEqual(findings, [])
    assert.deepEqual(
      resources.map(({ name, namespace }) => `${namespace}/${name}`),
      ['default/a', 'default/b'],
    )
    assert.equal(resources[1]?.place(['metadata', 'name']), 'f.json:16')
  })

  it('keeps dates and versions as the texts that they are', () => {
    const { resources } = parseResources(
      'f.yaml',
      `${TRIGGER.split('spec:')[0]}spec: { a: 2024-01-01, b: yes, c: 0x10 }`,
    )
    assert.deepEqual(resources[0]?.body['spec'], { a: '2024-01-01', b: 'yes', c: 16 })
  })

  it('follows anchors and merges, and points at where the value stands', () => {
    const text = `${TRIGGER}  subscriber: &to\n    uri: http://a\n  delivery:\n    deadLetterSink: *to\n`
    const [resource] = parseResources('f.yaml', text).resources
    assert.equal(resource?.place(['spec', 'delivery', 'deadLetterSink', 'uri']), 'f.yaml:15')
    const merged = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\nx: &x { a: '1' }\ndata:\n  <<: *x\n`
    assert.deepEqual(parseResources('f.yaml', merged).resources[0]?.body['data'], { a: '1' })
  })

  it('says what is no YAML with its line, and reads the other documents', () => {
    const text = `a: [1\n---\n${TRIGGER}---\nkind: a: b\n`
    const { resources, findings } = parseResources('f.yaml', text)
    assert.deepEqual(
      resources.map(({ name }) => name),
      ['orders'],
    )
    const places = new Set(findings.map(({ place }) => place))
    assert.ok(places.has('f.yaml:2'), [...places].join())
    assert.ok(places.has('f.yaml:17'), [...places].join())
    for (const { message } of findings) assert.match(message, /^no YAML that can be read: [^\n]+$/)
  })

  it('refuses a key that stands twice', () => {
    assert.deepEqual(findingsOf(`${TRIGGER}  broker: other\n`), [
      'f.yaml:14: no YAML that can be read: Map keys must be unique',
    ])
  })

  it('refuses a few lines that would grow without bound', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let index = 0; index < 12; index++) {
      const [last, next] = [index, index + 1].map((n) => String.fromCharCode(97 + n))
      bomb.push(`${next}: &${next} [${Array.from({ length: 9 }, () => `*${last}`).join()}]`)
    }
    assert.match(findingsOf(bomb.join('\n')).join(), /^f\.yaml:1: no YAML .*alias/i)
    const deep = `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`
    assert.match(findingsOf(deep).join(), /^f\.yaml:1: no YAML that can be read/)
  })

  it('says what a document lacks to be a resource', () => {
    const cases: Array<[text: string, line: string]> = [
      [
        '- a',
        'f.yaml:1: a resource is an object with apiVersion, kind and metadata.name, but this is ["a"]',
      ],
      ['kind: Trigger', 'f.yaml:1: apiVersion: is missing'],
      ['apiVersion: v1\nkind: 5', 'f.yaml:2: kind: must be a text, but is 5'],
      ['apiVersion: v1\nkind: A', 'f.yaml:1: metadata.name: is missing'],
      ['apiVersion: v1\nkind: A\nmetadata:\n  labels: {}', 'f.yaml:3: metadata.name: is missing'],
      [
        'apiVersion: v1\nkind: A\nmetadata:\n  name: A_b',
        'f.yaml:4: metadata.name: must be a name of a-z, 0-9, "-" and ".", but is "A_b"',
      ],
      [
        'apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  namespace: 5',
        'f.yaml:5: metadata.namespace: must be a name of a-z, 0-9, "-" and ".", but is 5',
      ],
    ]
    for (const [text, line] of cases) assert.deepEqual(findingsOf(text), [line])
  })
})
