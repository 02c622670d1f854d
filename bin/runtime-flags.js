/**
 * Flags of Node for the runtime itself. Events live for some milliseconds: with room for them in the young
 * generation they never grow old, which saves about a sixth of the CPU per event (see `bench/README.md`).
 */
export const RUNTIME_FLAGS = ['--max-semi-space-size=32']

/** Commands of `fn` that run the runtime. */
export const RUNTIME_COMMANDS = ['start', 'dev', 'main']
