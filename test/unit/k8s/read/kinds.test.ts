import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kindOf } from '../../../../k8s/read/kinds.ts'
import { compiled, resourceText } from '../../../support/resources.ts'

function said(apiVersion: string, kind: string): { errors: string[]; notes: string[] } {
  const text = resourceText(kind, 'x', '  {}').replace(
    /apiVersion: .*/,
    `apiVersion: ${apiVersion}`,
  )
  const { errors, notes } = compiled(text)
  return { errors, notes }
}

describe('kinds of resources', () => {
  it("that are Kubernetes' own may stand in the same files", () => {
    for (const [apiVersion, kind] of [
      ['apps/v1', 'Deployment'],
      ['v1', 'Namespace'],
      ['v1', 'Secret'],
      ['v1', 'ServiceAccount'],
      ['batch/v1', 'Job'],
      ['networking.k8s.io/v1', 'NetworkPolicy'],
      ['rbac.authorization.k8s.io/v1', 'Role'],
      ['v1', 'Service'],
      ['serving.knative.dev/v1', 'Service'],
    ] as const) {
      assert.deepEqual(said(apiVersion, kind), { errors: [], notes: [] })
    }
  })

  it('that Millrace does not run are named', () => {
    assert.deepEqual(said('sources.knative.dev/v1', 'PingSource').notes, [
      'f.yaml:3: kind: Millrace does not run a PingSource; it is left out',
    ])
    assert.deepEqual(said('example.com/v1', 'Widget').notes, [
      'f.yaml:3: kind: example.com/v1 Widget is nothing that Millrace reads',
    ])
  })

  it('that look like a slip are refused with what was meant', () => {
    const cases: Array<[apiVersion: string, kind: string, line: string]> = [
      [
        'eventing.knative.dev/v1',
        'Triger',
        '3: kind: "Triger" is no kind of eventing.knative.dev/v1; did you mean "Trigger"?',
      ],
      [
        'eventing.knative.dev/v1',
        'Thing',
        '3: kind: "Thing" is no kind of eventing.knative.dev/v1; known are Broker, Trigger, EventTransform, KafkaSink, EventType, EventPolicy, RequestReply',
      ],
      [
        'eventing.knative.dev/v1beta1',
        'Trigger',
        '2: apiVersion: Trigger is read as eventing.knative.dev/v1, but this is eventing.knative.dev/v1beta1',
      ],
      [
        'eventing.knatve.dev/v1',
        'Trigger',
        '2: apiVersion: "eventing.knatve.dev/v1" is not known; did you mean "eventing.knative.dev"?',
      ],
      ['flows.knative.dev/v1', 'Trigger', '2: apiVersion: must be eventing.knative.dev/v1'],
      ['v1', 'Sequence', '2: apiVersion: must be flows.knative.dev/v1'],
      ['v1', 'ConfgMap', '3: kind: "ConfgMap" is no kind of v1; did you mean "ConfigMap"?'],
    ]
    for (const [apiVersion, kind, line] of cases) {
      assert.deepEqual(said(apiVersion, kind), { errors: [`f.yaml:${line}`], notes: [] })
    }
  })

  it('are told apart by their group', () => {
    assert.deepEqual(kindOf('v1', 'Service'), { is: 'compiled', kind: 'Service' })
    assert.deepEqual(kindOf('serving.knative.dev/v1', 'Service'), {
      is: 'compiled',
      kind: 'KnativeService',
    })
  })
})
