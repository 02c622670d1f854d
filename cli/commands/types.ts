/** `fn types`: TypeScript types of the events' data, from their schemas. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { configOf, defineCommand, withConfigFlags } from '../command.ts'
import { EXIT, say } from '../output.ts'
import { catalogOf } from '../project-schemas.ts'

/** No function, because of the underscore; imported as `./_events.ts`. */
const FILE = '_events.ts'

export function typesCommand(): Command {
  const { command, runs } = defineCommand<{ out?: string; check: boolean }>(
    'types',
    'TypeScript types of the data of events, from their schemas',
  )
  withConfigFlags(command, ['functions', 'schemas'])
    .option('--out <file>', `where to write them (default: ${FILE} in the functions' folder)`)
    .option('--check', 'write nothing; end with 2 if the file is not what would be written', false)
  return runs(async (options) => {
    const config = configOf({ ...options })
    const out = options.out ?? path.join(config.functions, FILE)
    const catalog = await catalogOf(config)
    const { eventTypes } = await import('../../builder/schemas/event-types.ts')
    const text = await eventTypes(catalog)
    if (options.check) return checkFile(out, text)
    await mkdir(path.dirname(out), { recursive: true })
    await writeFile(out, text)
    say(`wrote the types of ${count(catalog.types.length)} to ${out}`)
    return EXIT.done
  })
}

async function checkFile(out: string, text: string): Promise<number> {
  const there = await readFile(out, 'utf8').catch(() => undefined)
  if (there === text) return EXIT.done
  const what = there === undefined ? 'is not there' : 'is not what the schemas say'
  say(`${out} ${what}: run \`fn types\``)
  return EXIT.findings
}

function count(types: number): string {
  return `${types} event type${types === 1 ? '' : 's'}`
}
