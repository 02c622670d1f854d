/** The build: compile every function, then write the whole or nothing. */
import path from 'node:path'
import { compileProject, type ProjectDirs } from './compile.ts'
import type { BuildReport } from './report.ts'
import { writeBuild } from './write-build.ts'

export interface BuildTarget extends ProjectDirs {
  /** Absolute, or relative to the project. Replaced whole by a good build, untouched by a failed one. */
  outDir: string
}

/**
 * Every broken function is in the report's `failures`. Throws only for what is no function's fault:
 * `FN_BUILD_FAILED` for a missing or empty functions folder, `FN_CONFIG_INVALID` for an output folder
 * that holds something else.
 */
export async function build(target: BuildTarget): Promise<BuildReport> {
  const startedAt = performance.now()
  const { manifest, bundles, warnings, failures, durations } = await compileProject(target)
  if (manifest !== undefined) {
    await writeBuild(path.resolve(target.projectDir, target.outDir), manifest, bundles)
  }
  const totalMs = performance.now() - startedAt
  return { manifest, warnings, failures, durations: { ...durations, totalMs } }
}
