/** Knative's `DeliverySpec` with its dead letter sink resolved. */
import type { DeliveryPolicy } from '../../runtime/contract/manifest.ts'
import type { Destination, Subscriber } from '../../runtime/contract/subscriber.ts'
import type { DeliverySpec } from './bodies.ts'
import { within, type At, type Compilation } from './compilation.ts'
import { policyOf } from './delivery-policy.ts'
import { destinationOf } from './destination.ts'

export interface Delivery {
  /** As it holds for a subscriber of this kind. */
  policy(subscriber: Subscriber): DeliveryPolicy
  deadLetterSink?: Destination
  format?: 'json' | 'binary'
}

export function deliveryOf(
  spec: DeliverySpec,
  { compilation, at }: { compilation: Compilation; at: At },
): Delivery {
  const { deadLetterSink, format } = spec
  const sink =
    deadLetterSink &&
    destinationOf(deadLetterSink, { compilation, at: within(at, 'deadLetterSink') })
  return {
    policy: (subscriber) => policyOf(spec, subscriber),
    ...(sink === undefined ? {} : { deadLetterSink: sink }),
    ...(format === undefined
      ? {}
      : { format: format.toLowerCase() === 'json' ? 'json' : 'binary' }),
  }
}
