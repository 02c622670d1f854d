/** Parallels: every branch gets every event, and what its filter replies goes to its subscriber. */
import type { ParallelSpec } from './bodies.ts'
import { specOf, type At, type Compilation, type Known } from './compilation.ts'
import { destinationOf, replyDestination } from './destination.ts'
import { addFlow, checkFlow, type StepPlan } from './flow.ts'
import {
  channelOf,
  isDurableEach,
  linkTo,
  parallelBranch,
  parallelEntry,
  parallelFilter,
} from './flow-names.ts'

export function compileParallels(compilation: Compilation): void {
  for (const known of compilation.of('Parallel')) compileParallel(known, compilation)
}

function compileParallel(known: Known, compilation: Compilation): void {
  const { resource } = known
  const { branches, reply } = specOf<ParallelSpec>(known)
  checkFlow(known, compilation)
  const each = isDurableEach(known)
  const at: At = { resource, path: ['spec'] }
  const replyAt: At = { resource, path: ['spec', 'reply'] }
  const shared = replyDestination(reply, { compilation, at: replyAt })
  const plans = branches.flatMap((branch, index): StepPlan[] => {
    const here: At = { ...at, path: ['spec', 'branches', index] }
    const { filter, subscriber, delivery } = branch
    const own =
      branch.reply &&
      destinationOf(branch.reply, { compilation, at: { ...here, path: [...here.path, 'reply'] } })
    return [
      {
        name: parallelFilter(resource, index),
        channel: parallelEntry(resource),
        // Without a filter, every event passes.
        ...(filter === undefined ? {} : { subscriber: filter }),
        at: { ...here, path: [...here.path, 'filter'] },
        replyTo: linkTo(channelOf(resource, parallelBranch(resource, index)), each),
      },
      {
        name: parallelBranch(resource, index),
        channel: parallelBranch(resource, index),
        subscriber,
        at: { ...here, path: [...here.path, 'subscriber'] },
        ...(delivery === undefined
          ? {}
          : { delivery, deliveryAt: { ...here, path: [...here.path, 'delivery'] } }),
        replyTo: branch.reply === undefined ? shared : own,
      },
    ]
  })
  addFlow(known, plans, compilation)
}
