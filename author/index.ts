/** What a function file imports: `import type { CloudEvent, Context, FunctionMetadata } from 'millrace'`. */
export type { FunctionMetadata } from '../runtime/contract/metadata.ts'
export type {
  BatchContext,
  BatchEntry,
  BatchHandler,
  BatchItemFailure,
  BatchResult,
} from './batch.ts'
export type { CloudEvent } from './cloud-event.ts'
export type { Context } from './context.ts'
export { DeadLetter, Drop, Retry } from './errors.ts'
export type { Handler, HandlerResult, Reply } from './handler.ts'
