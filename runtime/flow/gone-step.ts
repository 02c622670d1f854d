/** Fails what comes back for a step that is no longer there: nothing else of the flow may take it. */
import type { ResultListener, SubscriberRunner, WorkItem, WorkResult } from '../contract/work.ts'
import { stepId, type Hop } from './plan.ts'

export function goneSubscriber(hop: Hop): {
  share: (listener: ResultListener) => SubscriberRunner
} {
  const message =
    `the flow no longer has the step ${stepId(hop)}, for which this event came back; ` +
    'restore the step, or send the event anew'
  const failed = ({ id }: WorkItem): WorkResult => ({
    id,
    status: 'failed',
    fault: { code: 'FN_DELIVERY_NO_STEP', class: 'NoStep', message },
    logs: [],
    durationMs: 0,
  })
  return {
    share: (listener) => ({
      submit: (items) => {
        const results = items.map(failed)
        setImmediate(() => listener(results))
      },
      inFlight: () => ({ items: 0, bytes: 0 }),
      trouble: () => undefined,
    }),
  }
}
