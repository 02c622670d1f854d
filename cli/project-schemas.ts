/** The project of the working directory, compiled, for commands that need its schemas. */
import type { Compilation } from '../builder/compile.ts'
import type { SchemaCatalog } from '../builder/schemas/catalog.ts'
import type { Config } from '../runtime/config/schema.ts'
import { MillraceError } from '../runtime/errors.ts'
import { say } from './output.ts'
import { hasFunctions } from './resources.ts'

export type Project = Pick<Compilation, 'functions' | 'bundles' | 'catalog'>

/** Throws `FN_BUILD_FAILED` unless all of it is right, after telling each failure. */
export async function compiledProject(config: Config): Promise<Project> {
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

/** A project that is only YAML and schemas so far. Throws `FN_SCHEMA_INVALID`. */
export async function schemasAlone({ schemas }: Config): Promise<Project> {
  const { CatalogReader } = await import('../builder/schemas/catalog.ts')
  const catalog = (await CatalogReader.open(process.cwd(), schemas)).catalog([])
  throwFirst(catalog)
  return { functions: [], bundles: new Map(), catalog }
}

/**
 * The schemas alone, also while there is no function, or one that cannot be built: it may wait for the very
 * types that are to be written. Throws `FN_SCHEMA_INVALID`.
 */
export async function catalogOf(config: Config): Promise<SchemaCatalog> {
  if (!(await hasFunctions(config))) return (await schemasAlone(config)).catalog
  const { compileProject } = await import('../builder/compile.ts')
  const { catalog, failures } = await compileProject({
    projectDir: process.cwd(),
    functionsDir: config.functions,
    schemasDir: config.schemas,
  })
  throwFirst(catalog)
  for (const { file, function: name } of failures) {
    if (name !== undefined) say(`${file}: does not build, so its metadata's schemas are left out`)
  }
  return catalog
}

function throwFirst({ errors: [error, ...others] }: SchemaCatalog): void {
  if (error === undefined) return
  for (const other of others) say(other.message)
  throw error
}
