import type { CloudEvent, Context, FunctionMetadata } from 'millrace'

/** Watches everything go by. The counters are the runtime's: see `/metrics` on port 8000. */
export const metadata = {
  triggers: [{ broker: 'events/kafka-broker', filters: [{ prefix: { type: 'com.company.' } }] }],
  // No event depends on another one here, so none has to wait for another one.
  ordering: 'none',
} satisfies FunctionMetadata

export function handler(event: CloudEvent, context: Context) {
  context.log.info(`${event.type} from ${event.source}, ${event.subject ?? 'no subject'}`)
}
