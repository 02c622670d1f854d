/** The built-in functions (CloudEvents SQL 1.0, section 3.5), and its three casts as functions. */
import { nearest } from '../../contract/nearest.ts'
import type { Call, CesqlValue } from './ast.ts'
import { type Failure, type Outcome, toBoolean, toInteger, toText } from './value.ts'

export type CesqlType = 'String' | 'Integer' | 'Boolean'
/** `Any` takes a value as it is. */
type ParameterType = CesqlType | 'Any'

export interface CesqlFunction {
  returns: CesqlType
  /** The types of the arguments; more of them, if they may be, have the type of `more`. */
  parameters: readonly ParameterType[]
  more?: ParameterType
  /** Gets arguments that were cast already. */
  call: (args: readonly CesqlValue[]) => Outcome
}

/** A text that is longer is nobody's attribute; joining must not be a way to fill the memory. */
export const MAX_TEXT_CHARS = 1_048_576

const FUNCTIONS: ReadonlyMap<string, readonly CesqlFunction[]> = new Map([
  ['LENGTH', [onText('Integer', lengthOf)]],
  ['LOWER', [onText('String', (text) => text.toLowerCase())]],
  ['UPPER', [onText('String', (text) => text.toUpperCase())]],
  ['TRIM', [onText('String', trim)]],
  ['LEFT', [onTextAndCount('LEFT', (text, count) => text.slice(0, offsetOf(text, count)))]],
  [
    'RIGHT',
    [
      onTextAndCount('RIGHT', (text, count) =>
        text.slice(offsetOf(text, Math.max(0, lengthOf(text) - count))),
      ),
    ],
  ],
  [
    'CONCAT',
    [{ returns: 'String', parameters: [], more: 'String', call: (texts) => join(texts, '') }],
  ],
  [
    'CONCAT_WS',
    [
      {
        returns: 'String',
        parameters: ['String'],
        more: 'String',
        call: ([delimiter, ...texts]) => join(texts, String(delimiter)),
      },
    ],
  ],
  [
    'SUBSTRING',
    [
      {
        returns: 'String',
        parameters: ['String', 'Integer'],
        call: ([text, position]) => substring(String(text), Number(position)),
      },
      {
        returns: 'String',
        parameters: ['String', 'Integer', 'Integer'],
        call: ([text, position, length]) =>
          substring(String(text), Number(position), Number(length)),
      },
    ],
  ],
  ['ABS', [{ returns: 'Integer', parameters: ['Integer'], call: ([value]) => abs(Number(value)) }]],
  // The parameter's cast is all that these three do.
  ['INT', [{ returns: 'Integer', parameters: ['Integer'], call: same }]],
  ['BOOL', [{ returns: 'Boolean', parameters: ['Boolean'], call: same }]],
  ['STRING', [{ returns: 'String', parameters: ['String'], call: same }]],
  ['IS_INT', [isCast(toInteger)]],
  ['IS_BOOL', [isCast(toBoolean)]],
])

/** The function that a call is for, by name and number of arguments. */
export function functionOf({ name, args }: Call): CesqlFunction | undefined {
  return FUNCTIONS.get(name)?.find(
    ({ parameters, more }) =>
      args.length === parameters.length || (more !== undefined && args.length > parameters.length),
  )
}

/** Why there is no function for a call, and what there is. */
export function missingFunction({ name, args }: Call): string {
  const overloads = FUNCTIONS.get(name)
  if (overloads === undefined) {
    const known = [...FUNCTIONS.keys()]
    const guess = nearest(name, known)
    const next = guess === undefined ? `there are ${known.join(', ')}` : `did you mean ${guess}?`
    return `there is no function ${name}; ${next}`
  }
  const counts = overloads.map(
    ({ parameters, more }) => `${parameters.length}${more === undefined ? '' : ' or more'}`,
  )
  const taken = counts.join(' or ')
  return `${name} takes ${taken} argument${taken === '1' ? '' : 's'}, not ${args.length}`
}

function onText(returns: CesqlType, call: (text: string) => CesqlValue): CesqlFunction {
  return { returns, parameters: ['String'], call: ([text]) => call(String(text)) }
}

function onTextAndCount(
  name: string,
  call: (text: string, count: number) => string,
): CesqlFunction {
  return {
    returns: 'String',
    parameters: ['String', 'Integer'],
    call: ([text, count]) =>
      Number(count) < 0
        ? failed(`${name} of ${toText(count ?? 0)} characters`, String(text))
        : call(String(text), Number(count)),
  }
}

function isCast(cast: (value: CesqlValue) => Outcome): CesqlFunction {
  return {
    returns: 'Boolean',
    parameters: ['Any'],
    call: ([value = '']) => typeof cast(value) !== 'object',
  }
}

function same([value = '']: readonly CesqlValue[]): CesqlValue {
  return value
}

function join(texts: readonly CesqlValue[], delimiter: string): Outcome {
  const delimiters = Math.max(0, texts.length - 1) * delimiter.length
  const length = texts.reduce((sum: number, text) => sum + String(text).length, delimiters)
  if (length > MAX_TEXT_CHARS) return failed(`a text of ${length} characters is too long`, '')
  return texts.join(delimiter)
}

/** Positions begin with 1 at the front and with -1 at the end. */
function substring(text: string, position: number, length = Number.POSITIVE_INFINITY): Outcome {
  const characters = lengthOf(text)
  if (position > characters || position < -characters) {
    return failed(`SUBSTRING from ${position} of ${characters} characters`, '')
  }
  if (length < 0) return failed(`SUBSTRING of ${length} characters`, '')
  if (position === 0) return ''
  const start = position > 0 ? position - 1 : characters + position
  return text.slice(offsetOf(text, start), offsetOf(text, start + length))
}

function abs(value: number): Outcome {
  if (value !== -2_147_483_648) return Math.abs(value)
  return { kind: 'math', message: `ABS of ${value} is no integer of 32 bits`, value: 2_147_483_647 }
}

/** Unicode's white space, which is not quite JavaScript's. By hand: `\s+$` takes quadratic time. */
function trim(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text[start])) start++
  while (end > start && isSpace(text[end - 1])) end--
  return text.slice(start, end)
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && /\p{White_Space}/u.test(character)
}

/** In characters, as CloudEvents counts: one outside the basic plane is one, not two. */
function lengthOf(text: string): number {
  let length = text.length
  for (let at = 0; at < text.length; at++) {
    if ((text.codePointAt(at) ?? 0) > 0xff_ff) {
      length--
      at++
    }
  }
  return length
}

/** The offset of a character in code units; the text's length where it has fewer. */
function offsetOf(text: string, characters: number): number {
  let at = 0
  for (let left = characters; left > 0 && at < text.length; left--) {
    at += (text.codePointAt(at) ?? 0) > 0xff_ff ? 2 : 1
  }
  return at
}

function failed(message: string, value: string): Failure {
  return { kind: 'functionEvaluation', message, value }
}
