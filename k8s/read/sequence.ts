/** Sequences: a channel before each step, and what a step replies goes into the next one. */
import type { SequenceSpec } from './bodies.ts'
import { specOf, type At, type Compilation, type Known } from './compilation.ts'
import { addFlow, checkFlow, entersFlow, type StepPlan } from './flow.ts'
import { replyDestination } from './destination.ts'
import { channelOf, isDurableEach, linkTo, sequenceStep } from './flow-names.ts'

export function compileSequences(compilation: Compilation): void {
  for (const known of compilation.of('Sequence')) compileSequence(known, compilation)
}

function compileSequence(known: Known, compilation: Compilation): void {
  const { resource } = known
  const { steps, reply } = specOf<SequenceSpec>(known)
  checkFlow(known, compilation)
  const each = isDurableEach(known)
  const replyAt: At = { resource, path: ['spec', 'reply'] }
  const last = replyDestination(reply, { compilation, at: replyAt })
  const plans = steps.map(({ delivery, ...subscriber }, index): StepPlan => {
    const name = sequenceStep(resource, index)
    const isLast = index === steps.length - 1
    const next = linkTo(channelOf(resource, sequenceStep(resource, index + 1)), each)
    const at: At = { resource, path: ['spec', 'steps', index] }
    return {
      name,
      channel: name,
      subscriber,
      at,
      ...(delivery === undefined ? {} : { delivery }),
      replyTo: isLast ? last : next,
    }
  })
  for (const { subscriber, at } of plans.slice(0, -1)) {
    if (subscriber === undefined || !entersFlow(subscriber)) continue
    compilation.note(
      { resource: at.resource, path: [...at.path, 'ref', 'kind'] },
      `a ${subscriber.ref?.kind} takes events and replies with none, so the steps after it get nothing`,
    )
  }
  addFlow(known, plans, compilation)
}
