/**
 * What the TypeScript type of an event's data is called: by the schema's `title`, or else by the last two
 * parts of the event type and its version. `com.company.orders.created.v2` is `OrdersCreatedV2`.
 */
import { MillraceError } from '../../runtime/errors.ts'
import type { SchemaCatalog } from './catalog.ts'
import { typeOfFile, type SchemaDocument } from './schema-files.ts'

/** The map of all types has this name. */
export const MAP_NAME = 'EventTypes'

export interface NamedDocument {
  name: string
  document: SchemaDocument
  /** Of a file of the folder. */
  file?: string
  /** Without one, only other schemas use it. */
  type?: string
}

/** Throws `FN_SCHEMA_INVALID` for two that would have one name: the author chooses, so names stay. */
export function namedDocuments({ types, files }: SchemaCatalog): NamedDocument[] {
  const fileOf = new Map([...files].map(([file, document]) => [document, file]))
  const named: NamedDocument[] = types.map(({ type, document }) => {
    const file = fileOf.get(document)
    return {
      name: titleName(document) ?? typeName(type),
      document,
      type,
      ...(file === undefined ? {} : { file }),
    }
  })
  for (const [file, document] of files) {
    if (typeOfFile(file) !== undefined) continue
    named.push({
      name: titleName(document) ?? pascal(file.slice(1, -'.json'.length)),
      document,
      file,
    })
  }
  refuseClashes(named)
  return named
}

export function typeName(type: string): string {
  const parts = type.split('.').filter((part) => part !== '')
  const version = /^v\d+$/i.test(parts.at(-1) ?? '') ? [parts.pop() ?? ''] : []
  return pascal([...parts.slice(-2), ...version].join(' '))
}

function titleName({ schema: { title } }: SchemaDocument): string | undefined {
  return typeof title === 'string' && /[a-z]/i.test(title) ? pascal(title) : undefined
}

function pascal(text: string): string {
  const name = text
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
  return /^[A-Z]/.test(name) ? name : `Type${name}`
}

function refuseClashes(named: readonly NamedDocument[]): void {
  const owners = new Map<string, SchemaDocument>()
  for (const { name, document } of named) {
    const other = owners.get(name)
    if (other !== undefined || name === MAP_NAME) {
      const both = other === undefined ? 'the map of all types' : other.place
      throw new MillraceError(
        'FN_SCHEMA_INVALID',
        `${both} and ${document.place} would both be the TypeScript type ${name}: give one a title of its own`,
      )
    }
    owners.set(name, document)
  }
}
