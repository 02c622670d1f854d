import type { TestContext } from 'node:test'
import { CatalogReader, type SchemaCatalog } from '../../builder/schemas/catalog.ts'
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { projectFiles } from './project-files.ts'

/** The catalog of a project with these files in `schemas/`, and these in the metadata of one function. */
export async function catalogOf(
  t: TestContext,
  files: Readonly<Record<string, unknown>>,
  declared: Record<string, SchemaObject> = {},
): Promise<SchemaCatalog> {
  const texts = Object.entries(files).map(([name, content]) => [
    `schemas/${name}`,
    typeof content === 'string' ? content : JSON.stringify(content),
  ])
  const dir = await projectFiles(t, Object.fromEntries(texts) as Record<string, string>)
  const reader = await CatalogReader.open(dir, 'schemas')
  return reader.catalog([{ file: 'functions/a.ts', schemas: declared }])
}
