/** The limits of a runtime with its defaults, for a pipeline in the process of a test. */
import type { PipelineOptions } from '../../runtime/pipeline.ts'

export const PIPELINE_LIMITS = {
  maxEventBytes: 960 * 1024,
  maxIngressBufferBytes: 64 * 1024 * 1024,
  maxBufferBytes: 64 * 1024 * 1024,
  maxUnfinishedOffsets: 65_536,
  commitIntervalMs: 1_000,
  invalidRecords: 'quarantine',
} satisfies PipelineOptions['limits']
