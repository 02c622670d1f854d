/** `fn dlq edit`: puts a letter with other data in the place of one whose data was wrong. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import type { EventData } from '../../../runtime/contract/event.ts'
import { editLetter, openLetter } from '../../../runtime/dlq/edit.ts'
import { MillraceError } from '../../../runtime/errors.ts'
import { defineCommand, readInput, useLog, withLogFlags } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, print, say } from '../../output.ts'
import { checkData } from './check-data.ts'

interface EditFlags {
  file?: string
  json: boolean
}

export function editCommand(): Command {
  const { command, runs } = defineCommand<EditFlags>(
    'edit',
    "change a dead letter's data: a new letter takes its place, for fn dlq replay",
  )
  withLogFlags(command)
    .argument('<ref>', 'topic/partition/offset, as fn dlq list prints it')
    .option(
      '-f, --file <file>',
      'take the data from a file, or - for standard input; else $EDITOR opens',
    )
    .option('--json', 'one JSON object', false)
  return runs((options, [ref]) =>
    useLog({ ...options }, (access) => runEdit(access, options, ref as string)),
  )
}

async function runEdit(access: LogAccess, options: EditFlags, ref: string): Promise<number> {
  const open = await openLetter(access, ref)
  const { attributes, data: before } = decodeRecord(open.record)
  const check = { type: attributes.type, datacontenttype: attributes.datacontenttype }
  let data: Buffer
  if (options.file === undefined) {
    data = await edited(before, (after) =>
      checkData(after, { ...check, projectDir: process.cwd() }),
    )
  } else {
    data = await readInput(options.file)
    await checkData(data, { ...check, projectDir: process.cwd() })
  }
  if (before !== undefined && data.equals(before.bytes)) {
    say('nothing was changed; the letter stays as it is')
    print(options.json ? JSON.stringify({ ref, editedFrom: null }) : ref)
    return EXIT.done
  }
  const to = await editLetter(access, open, data)
  print(options.json ? JSON.stringify({ ref: to, editedFrom: ref }) : to)
  return EXIT.done
}

/** What the editor made of the data. Work that does not pass the check is not thrown away. */
async function edited(
  before: EventData | undefined,
  check: (data: Buffer) => Promise<void>,
): Promise<Buffer> {
  if (before?.kind === 'binary') {
    throw new MillraceError(
      'FN_CLI_USAGE',
      'the data is not text, which an editor would damage; give the new bytes with --file FILE',
    )
  }
  // oxlint-disable-next-line node/no-process-env -- the terminal's editor, no configuration of ours
  const editor = process.env['VISUAL'] ?? process.env['EDITOR']
  if (!editor) {
    throw new MillraceError('FN_CLI_USAGE', 'EDITOR is not set; set it, or give --file FILE')
  }
  const dir = await mkdtemp(join(tmpdir(), 'millrace-edit-'))
  const file = join(dir, before?.kind === 'text' ? 'data.txt' : 'data.json')
  await writeFile(file, before?.bytes ?? '', { mode: 0o600 })
  await runEditor(editor, file)
  const after = withoutAddedNewline(await readFile(file), before?.bytes)
  try {
    await check(after)
  } catch (error) {
    say(`what you wrote is kept in ${file}; correct it and give it with --file`)
    throw error
  }
  await rm(dir, { recursive: true })
  return after
}

/** As git does: a shell runs the editor, because EDITOR may hold arguments. */
async function runEditor(editor: string, file: string): Promise<void> {
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) {
    throw new MillraceError(
      'FN_CLI_USAGE',
      `the editor "${editor}" ended with ${code ?? 'a signal'}; the letter stays as it is`,
    )
  }
}

/** Editors end a file with a line break. */
function withoutAddedNewline(after: Buffer, before: Buffer | undefined): Buffer {
  const NEWLINE = 0x0a
  if (after.at(-1) !== NEWLINE || before?.at(-1) === NEWLINE) return after
  return after.subarray(0, -1)
}
