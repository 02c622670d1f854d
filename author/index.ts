/** What a function file imports: `import type { CloudEvent, Context, FunctionMetadata } from 'millrace'`. */
export type { FunctionMetadata } from '../runtime/contract/metadata.ts'
