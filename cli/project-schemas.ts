/** The project of the working directory, compiled, for commands that need its schemas. */
import type { Compilation } from '../builder/compile.ts'
import type { SchemaCatalog } from '../builder/schemas/catalog.ts'
import type { Config } from '../runtime/config/schema.ts'
import { MillraceError } from '../runtime/errors.ts'
import { say } from './output.ts'

/** Throws `FN_BUILD_FAILED` unless all of it is right, after telling each failure. */
export async function compiledProject(
  config: Pick<Config, 'functions' | 'schemas'>,
): Promise<Compilation> {
  const { compileProject } = await import('../builder/compile.ts')
  const compilation = await compileProject({
    projectDir: process.cwd(),
    functionsDir: config.functions,
    schemasDir: config.schemas,
  })
  if (compilation.failures.length > 0) {
    const { reportText } = await import('../builder/report.ts')
    say(reportText({ ...compilation, warnings: [] }))
    throw new MillraceError('FN_BUILD_FAILED', 'nothing was written: correct what is above first')
  }
  return compilation
}

/**
 * The schemas alone, also while a function cannot be built: it may wait for the very types that are to be
 * written. Throws `FN_SCHEMA_INVALID`, or `FN_BUILD_FAILED` without functions.
 */
export async function catalogOf(
  config: Pick<Config, 'functions' | 'schemas'>,
): Promise<SchemaCatalog> {
  const { compileProject } = await import('../builder/compile.ts')
  const { catalog, failures } = await compileProject({
    projectDir: process.cwd(),
    functionsDir: config.functions,
    schemasDir: config.schemas,
  })
  const [error, ...others] = catalog.errors
  if (error !== undefined) {
    for (const other of others) say(other.message)
    throw error
  }
  for (const { file, function: name } of failures) {
    if (name !== undefined) say(`${file}: does not build, so its metadata's schemas are left out`)
  }
  return catalog
}
