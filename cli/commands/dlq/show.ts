/** `fn dlq show`: one dead letter with all that is known of it. */
import type { Command } from 'commander'
import { encodeJson } from '../../../runtime/codec/json-format.ts'
import { decodeRecord } from '../../../runtime/codec/record.ts'
import { DEAD_LETTER_HEADERS, headerText } from '../../../runtime/dlq/headers.ts'
import { readLetter } from '../../../runtime/dlq/letter.ts'
import { refOf } from '../../../runtime/dlq/ref.ts'
import { notFound, recordAt } from '../../../runtime/dlq/scan.ts'
import { statesOf } from '../../../runtime/dlq/states.ts'
import { defineCommand, useLog, withLogFlags } from '../../command.ts'
import type { LogAccess } from '../../log-access.ts'
import { EXIT, onOneLine, print } from '../../output.ts'
import { letterLine, readable } from './letter-line.ts'

export function showCommand(): Command {
  const { command, runs } = defineCommand<{ json: boolean }>(
    'show',
    'a dead letter: the event, the error, its stack, what became of it',
  )
  withLogFlags(command)
    .argument('<refs...>', 'topic/partition/offset, as fn dlq list prints it')
    .option('--json', 'one JSON object for each', false)
  return runs((options, refs) =>
    useLog({ ...options }, async (access) => {
      for (const ref of refs) await show(access, ref, options.json)
      return EXIT.done
    }),
  )
}

async function show({ reader }: LogAccess, ref: string, json: boolean): Promise<void> {
  const { at, record } = await recordAt(reader, ref)
  const letter = readLetter(at, record)
  if (letter === undefined) throw notFound(ref)
  const became = (await statesOf(reader, at.topic)).of(letter.ref)
  const line = letterLine(letter, became?.state ?? 'open')
  const more = {
    key: letter.key?.toString() ?? null,
    version: headerText(record, DEAD_LETTER_HEADERS.version) ?? null,
    origin: letter.origin === undefined ? null : refOf(letter.origin, letter.origin.offset),
    replayOf: letter.replayOf ?? null,
    editedFrom: letter.edited ?? null,
    became: became ?? null,
    stack: headerText(record, DEAD_LETTER_HEADERS.stack) ?? null,
  }
  const event = onOneLine(encodeJson(decodeRecord(record)).toString())
  if (json) {
    print(`${JSON.stringify({ ...line, ...more }).slice(0, -1)},"event":${event}}`)
    return
  }
  print(readable(line))
  print(`from ${more.origin ?? 'unknown'}, key ${more.key ?? 'none'}, failed at ${line.lastAt}`)
  if (more.replayOf !== null) print(`failed again as a replay of ${more.replayOf}`)
  if (more.editedFrom !== null) print(`its data was edited; before: ${more.editedFrom}`)
  if (became !== undefined) {
    const to = became.to === undefined ? '' : `, to ${became.to}`
    const reason = became.reason === undefined ? '' : `: ${became.reason}`
    print(`${became.state} at ${became.at}${to}${reason}`)
  }
  if (more.stack !== null) print(more.stack)
  print(event)
}
