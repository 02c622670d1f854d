import type { BuildFailure, Message } from 'esbuild'
import { MillraceError } from '../runtime/errors.ts'

/** One wrong brace can give hundreds of errors; the first ones tell. */
const MAX_MESSAGES = 20

/** esbuild's rejection as `FN_BUILD_FAILED`, each error with its place. */
export function buildFailure(error: unknown): MillraceError {
  if (!isBuildFailure(error)) {
    return new MillraceError('FN_BUILD_FAILED', `esbuild failed: ${String(error)}`, {
      cause: error,
    })
  }
  const shown = error.errors.slice(0, MAX_MESSAGES).map(messageText)
  const hidden = error.errors.length - shown.length
  if (hidden > 0) shown.push(`and ${hidden} more`)
  // Without `cause`: esbuild's own message repeats all of this in another form.
  return new MillraceError('FN_BUILD_FAILED', shown.join('\n'), {
    detail: { messages: error.errors.map(messagePlace) },
  })
}

/** `functions/a.ts:3:14: Expected ";" but found "}"`, then the source line and a mark under it. */
export function messageText(message: Message): string {
  const place = messagePlace(message)
  const text = message.text + advice(message.text)
  if (place.file === undefined || message.location === null) return text
  const { lineText } = message.location
  const mark = `${' '.repeat(place.column - 1)}^`
  return `${place.file}:${place.line}:${place.column}: ${text}\n    ${lineText}\n    ${mark}`
}

interface MessagePlace {
  file: string | undefined
  line: number
  /** 1-based, in UTF-16 units, as editors count. */
  column: number
  text: string
}

function messagePlace({ location, text }: Message): MessagePlace {
  if (location === null) return { file: undefined, line: 0, column: 1, text }
  // esbuild counts columns in bytes of UTF-8, from 0.
  const before = Buffer.from(location.lineText).subarray(0, location.column).toString()
  return { file: location.file, line: location.line, column: before.length + 1, text }
}

function advice(text: string): string {
  if (text.startsWith('Top-level await')) {
    return '. A function is loaded in one step: move the `await` into `handler`, or keep its promise in a constant and await that there'
  }
  if (text.includes('will not be bundled because the argument is not a string literal')) {
    return '. An isolate has no files to import from: name the module in the `import()`, or import each candidate'
  }
  return ''
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}
