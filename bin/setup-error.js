/** What stopped the set-up, with what to do about it; printed without a stack. */
export class SetupError extends Error {}
