/**
 * From source files to a manifest and its bundles, in memory: discover → bundle → read metadata →
 * check. A function that fails a stage is reported and skips the later ones; the others go on.
 */
import path from 'node:path'
import { MANIFEST_VERSION, type FunctionManifest } from '../runtime/contract/manifest.ts'
import { checkMetadata } from '../runtime/contract/metadata-check.ts'
import { checkNames } from '../runtime/contract/name-clashes.ts'
import { isMillraceError, type MillraceError } from '../runtime/errors.ts'
import { bundleFunction, type Bundle } from './bundle.ts'
import { discoverFunctions } from './discover.ts'
import { bundleVersion } from './manifest-file.ts'
import { openMetadataReader, type MetadataReader } from './read-metadata.ts'
import type { BuildDurations, BuildFailure, BuildReport } from './report.ts'
import type { CatalogReader, DeclaredSchemas, SchemaCatalog } from './schemas/catalog.ts'

export interface ProjectDirs {
  projectDir: string
  /** Absolute, or relative to the project. */
  functionsDir: string
  /** Absolute, or relative to the project; it need not be there. Default `schemas`. */
  schemasDir?: string
}

export interface Compilation extends BuildReport {
  /** Those that passed every stage, also while others failed. */
  functions: FunctionManifest[]
  /** By function name; without those that failed. */
  bundles: Map<string, Bundle>
  catalog: SchemaCatalog
}

interface FunctionFile {
  name: string
  path: string
  /** The path relative to the project. */
  file: string
}

interface BundledFunction extends FunctionFile {
  bundle: Bundle
}

interface CheckedFunction extends BundledFunction {
  manifest: FunctionManifest
  schemas: DeclaredSchemas
  /** About the metadata. */
  advice: string[]
}

/** Throws `FN_BUILD_FAILED` for a missing or empty functions folder. */
export async function compileProject(dirs: ProjectDirs): Promise<Compilation> {
  const startedAt = performance.now()
  const projectDir = path.resolve(dirs.projectDir)
  const { sources, refused } = await discoverFunctions(path.resolve(projectDir, dirs.functionsDir))
  const failures = refused.map((source) => failureOf(withFile(source, projectDir), source.error))
  const files = sources.map((source) => withFile(source, projectDir))
  const [reader, bundled, schemas] = await Promise.all([
    openMetadataReader(),
    survivors(files, failures, (file) => bundleOne(file, projectDir)),
    openCatalog(projectDir, dirs.schemasDir),
  ])
  const bundledAt = performance.now()
  try {
    const checked = await survivors(bundled, failures, (one) => checkOne(one, reader))
    const catalog = schemas.catalog(checked.map((one) => one.schemas))
    failures.push(...catalog.errors.map((error) => ({ error })))
    const endedAt = performance.now()
    return compilation({ checked, catalog }, failures, {
      totalMs: endedAt - startedAt,
      bundleMs: bundledAt - startedAt,
      metadataMs: endedAt - bundledAt,
    })
  } finally {
    await reader.close()
  }
}

/** While esbuild has the bundles to do, there is time for it and for its imports. */
async function openCatalog(projectDir: string, schemasDir = 'schemas'): Promise<CatalogReader> {
  const { CatalogReader: reader } = await import('./schemas/catalog.ts')
  return reader.open(projectDir, schemasDir)
}

/** What the stage made of each item; an item that it refused becomes a failure instead. */
async function survivors<In extends FunctionFile, Out>(
  items: readonly In[],
  failures: BuildFailure[],
  stage: (item: In) => Promise<Out>,
): Promise<Out[]> {
  const results = await Promise.all(
    items.map(async (item) => {
      try {
        return [await stage(item)]
      } catch (error) {
        if (!isMillraceError(error)) throw error
        failures.push(failureOf(item, error))
        return []
      }
    }),
  )
  return results.flat()
}

async function bundleOne(file: FunctionFile, projectDir: string): Promise<BundledFunction> {
  return { ...file, bundle: await bundleFunction(file.path, { projectDir }) }
}

async function checkOne(one: BundledFunction, reader: MetadataReader): Promise<CheckedFunction> {
  const { name, file, bundle } = one
  const raw = await reader.read(bundle, file)
  const { warnings, schemas = {}, ...part } = checkMetadata(raw, { file, functionName: name })
  const version = bundleVersion(bundle.code)
  const manifest = { name, file, bundle: `${name}.js`, map: `${name}.js.map`, version, ...part }
  return {
    ...one,
    manifest,
    schemas: { file, schemas },
    advice: warnings.map((warning) => `${file}: ${warning}`),
  }
}

function compilation(
  { checked, catalog }: { checked: readonly CheckedFunction[]; catalog: SchemaCatalog },
  found: readonly BuildFailure[],
  durations: BuildDurations,
): Compilation {
  const functions = checked.map(({ manifest }) => manifest)
  // Failures come in the order in which stages ended; a report is to be the same each time.
  const failures = [...found, ...clashes(functions)].sort(byFile)
  const schemas = catalog.types.length === 0 ? {} : { schemas: catalog.schemas }
  return {
    manifest:
      failures.length === 0 ? { version: MANIFEST_VERSION, functions, ...schemas } : undefined,
    functions,
    bundles: new Map(checked.map(({ name, bundle }) => [name, bundle])),
    warnings: checked.flatMap(({ name, bundle, advice }) =>
      [...bundle.warnings, ...advice].map((message) => ({ function: name, message })),
    ),
    failures,
    durations,
    catalog,
  }
}

/** Two functions' triggers may be right each alone and not together. */
function clashes(functions: readonly FunctionManifest[]): BuildFailure[] {
  try {
    checkNames(functions)
    return []
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return [{ error }]
  }
}

function withFile(source: { name: string; path: string }, projectDir: string): FunctionFile {
  const { name, path: at } = source
  return { name, path: at, file: path.relative(projectDir, at).split(path.sep).join('/') }
}

function byFile(a: BuildFailure, b: BuildFailure): number {
  return (a.file ?? '') < (b.file ?? '') ? -1 : 1
}

function failureOf({ name, file }: FunctionFile, error: MillraceError): BuildFailure {
  return { function: name, file, error }
}
