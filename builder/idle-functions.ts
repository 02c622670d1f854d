import type { FunctionManifest } from '../runtime/contract/manifest.ts'
import type { Destination } from '../runtime/contract/subscriber.ts'
import type { Topology } from '../runtime/contract/topology.ts'

/** Functions that no event reaches: no trigger names them, and neither does a flow or a dead letter sink. */
export function idleFunctions(
  functions: readonly FunctionManifest[],
  { triggers, flows }: Topology,
): Array<{ function: string; message: string }> {
  const users = [...triggers, ...flows.flatMap(({ steps }) => steps)]
  const named = new Set(
    users.flatMap(({ subscriber, reply, deadLetterSink }) =>
      [subscriber, reply, deadLetterSink].flatMap(functionIn),
    ),
  )
  return functions
    .filter(({ name, triggers: own }) => own.length === 0 && !named.has(name))
    .map(({ name, file }) => ({
      function: name,
      message: `${file}: no trigger names it, so no event reaches it; give its metadata triggers, or name it in a resource and check with -f FILE`,
    }))
}

function functionIn(destination: Destination | undefined): string[] {
  return destination?.kind === 'function' ? [destination.name] : []
}
