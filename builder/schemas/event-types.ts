/** The TypeScript that `fn types` writes: a type for each schema, and a map from event types to them. */
import { compile } from 'json-schema-to-typescript'
import type { SchemaObject } from '../../runtime/contract/json-schema.ts'
import { MillraceError } from '../../runtime/errors.ts'
import type { SchemaCatalog } from './catalog.ts'
import { placed } from './complete-schema.ts'
import { inDraft07 } from './draft-07.ts'
import { MAP_NAME, namedDocuments, type NamedDocument } from './type-names.ts'

const BANNER = '// Written by `fn types` from the schemas. Changes made here are lost.'

/** Equal catalogs give equal text. Throws `FN_SCHEMA_INVALID` for two types of one name. */
export async function eventTypes(catalog: SchemaCatalog): Promise<string> {
  const named = namedDocuments(catalog)
  if (named.length === 0) return `${BANNER}\nexport interface ${MAP_NAME} {}\n`
  const text = await compile(oneDocument(named), MAP_NAME, {
    bannerComment: BANNER,
    // An index signature on every object would let each misspelt property pass.
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    style: { semi: false, singleQuote: true, printWidth: 100, trailingComma: 'all' },
    $refOptions: { resolve: { external: false, file: false, http: false } },
  })
  for (const { name, document, type } of named) {
    if (type === undefined) continue
    if (new RegExp(`^export (interface|type) ${name}\\b`, 'm').test(text)) continue
    throw new MillraceError(
      'FN_SCHEMA_INVALID',
      `${document.place}: another schema inside the schemas is called ${name} as well: give one a title of its own`,
    )
  }
  return text
}

function oneDocument(named: readonly NamedDocument[]): SchemaObject {
  const nameOfFile = new Map(named.map(({ file, name }) => [file, name]))
  const placing = (file: string): string => `#/$defs/${nameOfFile.get(file)}`
  const definitions = named.map(({ name, document }) => {
    const { $id: _, ...schema } = placed(document, `#/$defs/${name}`, placing)
    return [name, { ...inDraft07(schema), title: name }]
  })
  const ofTypes = named.filter(({ type }) => type !== undefined)
  return {
    title: MAP_NAME,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      ofTypes.map(({ type, name }) => [type, { $ref: `#/$defs/${name}` }]),
    ),
    required: ofTypes.map(({ type }) => type),
    $defs: Object.fromEntries(definitions),
  }
}
