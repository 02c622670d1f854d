/** Whether edited data is what its content type says, and what the project's schema for its type says. */
import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventData } from '../../../runtime/codec/event-data.ts'
import { dataKindOf } from '../../../runtime/codec/media-type.ts'
import { schemaProblems } from '../../../runtime/contract/schema-problems.ts'
import { MillraceError } from '../../../runtime/errors.ts'

export interface CheckOptions {
  type: string
  datacontenttype: string | undefined
  projectDir: string
}

/** Throws `FN_CLI_USAGE` and says where. */
export async function checkData(data: Buffer, options: CheckOptions): Promise<void> {
  const { type, datacontenttype } = options
  if (dataKindOf(datacontenttype) !== 'json') {
    const { kind } = eventData(datacontenttype, data)
    if (dataKindOf(datacontenttype) === 'text' && kind !== 'text') {
      throw new MillraceError(
        'FN_CLI_USAGE',
        `the data is not UTF-8, but its content type is ${datacontenttype}`,
      )
    }
    return
  }
  const value = parsed(data)
  const schema = await schemaOf(options)
  if (schema === undefined) return
  const problems = await problemsOf(value, schema)
  if (problems.length === 0) return
  throw new MillraceError(
    'FN_CLI_USAGE',
    `the data does not fit ${schema.file}, the schema of ${type}:\n  ${problems.join('\n  ')}`,
  )
}

function parsed(data: Buffer): unknown {
  if (!isUtf8(data)) throw new MillraceError('FN_CLI_USAGE', 'the data is not UTF-8')
  try {
    return JSON.parse(data.toString())
  } catch (cause) {
    throw new MillraceError('FN_CLI_USAGE', `the data is not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
}

interface DataSchema {
  file: string
  schema: object
}

/** `schemas/<type>.json`, if there is one. */
async function schemaOf({ type, projectDir }: CheckOptions): Promise<DataSchema | undefined> {
  // A type is a stranger's text: it must not lead out of the folder.
  if (!/^[\w-][\w.-]*$/.test(type)) return undefined
  const file = join('schemas', `${type}.json`)
  let text: string
  try {
    text = await readFile(join(projectDir, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const schema: unknown = JSON.parse(text)
    if (typeof schema === 'object' && schema !== null) return { file, schema }
  } catch (cause) {
    throw new MillraceError('FN_CLI_USAGE', `${file} is not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
  throw new MillraceError('FN_CLI_USAGE', `${file} is no JSON Schema: it must be an object`)
}

async function problemsOf(value: unknown, { file, schema }: DataSchema): Promise<string[]> {
  // Only who edits against a schema waits for it to load.
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, validateFormats: false })
  try {
    const validate = ajv.compile(schema)
    return validate(value) ? [] : schemaProblems(validate.errors ?? [], 'data')
  } catch (cause) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `${file} cannot be used as a JSON Schema (draft 2020-12): ${(cause as Error).message}`,
      { cause },
    )
  }
}
