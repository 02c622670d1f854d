import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkMetadata } from '../../../runtime/contract/metadata-check.ts'
import { checkNames } from '../../../runtime/contract/name-clashes.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

const BROKER = 'events/kafka-broker'

describe('checkNames', () => {
  it('lets several triggers share a broker', () => {
    checkNames([
      manifest('a', [{ broker: BROKER }]),
      manifest('b', [
        { broker: BROKER, name: 'b1' },
        { broker: BROKER, name: 'b2' },
      ]),
    ])
  })

  it('refuses two functions of one name, with both files', () => {
    clash(
      [
        manifest('a', [{ broker: 'x/b', name: 't' }]),
        manifest('a', [{ broker: 'y/b', name: 't' }]),
      ],
      'functions/a.ts and functions/a.ts would share the function name a; rename one of them',
    )
  })

  it('refuses two triggers of one name, also in one function', () => {
    clash(
      [
        manifest('a', [
          { broker: BROKER, name: 't' },
          { broker: BROKER, name: 't' },
        ]),
      ],
      'trigger events/t of function a and trigger events/t of function a would share the consumer group knative-trigger-events-t; rename one of them',
    )
  })

  it('refuses names that differ and still give one group or one topic', () => {
    clash(
      [manifest('c', [{ broker: 'a-b/c' }]), manifest('b-c', [{ broker: 'a/b-c' }])],
      'trigger a-b/c of function c and trigger a/b-c of function b-c would share the consumer group knative-trigger-a-b-c; rename one of them\n' +
        'broker a-b/c and broker a/b-c would share the topic knative-broker-a-b-c; rename one of them\n' +
        'the quarantine of broker a-b/c and the quarantine of broker a/b-c would share the topic knative-broker-a-b-c.quarantine; rename one of them',
    )
  })

  it("refuses a broker that is another one's quarantine", () => {
    clash(
      [manifest('a', [{ broker: 'n/b' }]), manifest('c', [{ broker: 'n/b.quarantine' }])],
      'the quarantine of broker n/b and broker n/b.quarantine would share the topic knative-broker-n-b.quarantine; rename one of them',
    )
  })
})

function clash(functions: Parameters<typeof checkNames>[0], message: string): void {
  assert.throws(
    () => checkNames(functions),
    (error) => {
      assert.ok(isMillraceError(error, 'FN_NAME_CLASH'))
      assert.equal(error.message, message)
      return true
    },
  )
}

function manifest(
  name: string,
  triggers: Array<{ broker: string; name?: string }>,
): Parameters<typeof checkNames>[0][number] {
  const file = `functions/${name}.ts`
  return { name, file, ...checkMetadata({ triggers }, { file, functionName: name }) }
}
