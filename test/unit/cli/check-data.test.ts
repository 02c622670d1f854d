import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkData } from '../../../cli/commands/dlq/check-data.ts'
import { isMillraceError } from '../../../runtime/errors.ts'
import { projectFiles } from '../../support/project-files.ts'

const JSON_TYPE = 'application/json'
const SCHEMA = JSON.stringify({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { lines: { type: 'array', prefixItems: [{ type: 'string' }] } },
})

describe('checking edited data', () => {
  it('wants JSON where the content type says so, and only there', async (t) => {
    const projectDir = await projectFiles(t)
    const check = (data: string | Buffer, datacontenttype: string | undefined): Promise<void> =>
      checkData(Buffer.from(data), { type: 'order', datacontenttype, projectDir })
    await check('{"a":1}', JSON_TYPE)
    await check('not JSON', 'text/plain')
    await check(Buffer.from([0xff]), undefined)
    await refused(check('{"a":', JSON_TYPE), /not JSON/)
    await refused(check('', JSON_TYPE), /not JSON/)
    await refused(check(Buffer.from([0x22, 0xff, 0x22]), JSON_TYPE), /not UTF-8/)
    await refused(check(Buffer.from([0xff]), 'text/plain'), /not UTF-8/)
  })

  it('names the path that does not fit the schema of the type', async (t) => {
    const projectDir = await projectFiles(t, { 'schemas/com.company.order.json': SCHEMA })
    const options = { type: 'com.company.order', datacontenttype: JSON_TYPE, projectDir }
    await checkData(Buffer.from('{"lines":["a"]}'), options)
    await refused(
      checkData(Buffer.from('{"lines":[1]}'), options),
      /schemas\/com\.company\.order\.json.*\n.*lines\[0\] must be a string/,
    )
    await checkData(Buffer.from('[1]'), { ...options, type: 'another' })
  })

  it('says so when the schema itself is wrong, and reads none outside its folder', async (t) => {
    const projectDir = await projectFiles(t, {
      'schemas/broken.json': '{',
      'schemas/unknown.json': '{"type":"nonsense"}',
      'package.json': '{"type":"nonsense"}',
    })
    const check = (type: string): Promise<void> =>
      checkData(Buffer.from('1'), { type, datacontenttype: JSON_TYPE, projectDir })
    await refused(check('broken'), /schemas\/broken\.json is not JSON/)
    await refused(check('unknown'), /schemas\/unknown\.json cannot be used/)
    await check('../package')
  })
})

async function refused(check: Promise<void>, message: RegExp): Promise<void> {
  await assert.rejects(check, (error) => {
    assert.ok(isMillraceError(error, 'FN_CLI_USAGE'))
    assert.match(error.message, message)
    return true
  })
}
