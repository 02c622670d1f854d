/**
 * The replies that stand in a function's source as object literals. Read from its bundle, because that
 * is plain JavaScript and holds only what the function uses; places are those of the source.
 */
import { SourceMap, type SourceMapPayload } from 'node:module'
import { parse, type AnyNode, type Expression, type ObjectExpression } from 'acorn'
import type { FunctionBundle } from '../runtime/contract/work.ts'

/** One literal that may be a reply. */
export interface ReplyLiteral {
  type: string
  /** The attributes that stand there, without the type; undefined for a value that is not known. */
  attributes: ReadonlyMap<string, string | undefined>
  /** It has further members that are not known, as with `...event`. */
  open: boolean
  /** `functions/a.ts:12` */
  place: string
}

/** Their maps of attributes look like replies. */
const DIALECTS: ReadonlySet<string> = new Set(['exact', 'prefix', 'suffix', 'exists', 'attributes'])
const ATTRIBUTE_NAME = /^[a-z0-9]+$/
/** Not JSON, which is data, and nothing of a package, whose types mean something else. */
const SOURCE = /^(?!.*node_modules\/)(?![a-z]+:).*\.[cm]?[jt]sx?$/

/** Throws a `SyntaxError` for what is no script. */
export function replyLiterals({ code, map }: FunctionBundle): ReplyLiteral[] {
  const program = parse(code, { ecmaVersion: 'latest', locations: true })
  const places = new SourceMap(JSON.parse(map) as SourceMapPayload)
  const constants = constantsOf(program)
  const found: ReplyLiteral[] = []
  visit(program, (node) => {
    if (isMetadata(node)) return 'skip'
    if (node.type === 'Property' && isNoReply(node.key)) return 'skip'
    if (node.type !== 'ObjectExpression') return 'deeper'
    const place = placeOf(node, places)
    if (place !== undefined) found.push(...literalsOf(node, constants, place))
    return 'deeper'
  })
  return found
}

/** `visitor` says whether to look inside. */
function visit(root: AnyNode, visitor: (node: AnyNode) => 'deeper' | 'skip'): void {
  // No recursion: what a bundle nests is not ours to bound.
  const waiting: AnyNode[] = [root]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (visitor(node) === 'skip') continue
    waiting.push(...childrenOf(node).reverse())
  }
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode)
}

function isNode(value: unknown): value is AnyNode {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'start' in value
  )
}

function isMetadata(node: AnyNode): boolean {
  return (
    node.type === 'VariableDeclarator' &&
    node.id.type === 'Identifier' &&
    /^metadata\d*$/.test(node.id.name)
  )
}

/** The payload of a reply is no reply, and neither is a filter. */
function isNoReply(key: Expression | AnyNode): boolean {
  const name = keyName(key)
  return name === 'data' || (name !== undefined && DIALECTS.has(name))
}

function keyName(key: AnyNode): string | undefined {
  if (key.type === 'Identifier') return key.name
  return key.type === 'Literal' && typeof key.value === 'string' ? key.value : undefined
}

/** One for each type that it may have; none for an object that cannot be a reply. */
function literalsOf(
  node: ObjectExpression,
  constants: ReadonlyMap<string, string>,
  place: string,
): ReplyLiteral[] {
  const attributes = new Map<string, string | undefined>()
  let types: string[] = []
  let open = false
  for (const property of node.properties) {
    if (property.type === 'SpreadElement' || property.computed) {
      open = true
      const seen = property.type === 'SpreadElement' ? namesSpread(property.argument) : undefined
      // It may replace all that stands before it.
      if (seen?.includes('type') ?? true) types = []
      for (const name of seen ?? attributes.keys()) attributes.set(name, undefined)
      continue
    }
    const name = keyName(property.key)
    if (name === undefined || !ATTRIBUTE_NAME.test(name) || property.kind !== 'init') return []
    if (name === 'data') {
      attributes.set(name, undefined)
      continue
    }
    if (!mayBeAttribute(property.value)) return []
    const texts = textsOf(property.value, constants)
    if (name === 'type') types = texts.filter((text) => text !== undefined)
    else attributes.set(name, texts.length === 1 ? texts[0] : undefined)
  }
  return types.map((type) => ({ type, attributes, open, place }))
}

/** The members of `...(condition && { … })`; undefined where they cannot be seen. */
function namesSpread(argument: Expression): string[] | undefined {
  if (argument.type === 'LogicalExpression') return namesSpread(argument.right)
  if (argument.type !== 'ObjectExpression') return undefined
  const names = argument.properties.map((property) =>
    property.type === 'SpreadElement' || property.computed ? undefined : keyName(property.key),
  )
  return names.includes(undefined) ? undefined : names.filter((name) => name !== undefined)
}

/** An attribute is a text, a number or a boolean. */
function mayBeAttribute(value: Expression): boolean {
  return ![
    'ObjectExpression',
    'ArrayExpression',
    'FunctionExpression',
    'ArrowFunctionExpression',
    'ClassExpression',
  ].includes(value.type)
}

/** The texts that an expression may give, with undefined for what is not known. */
function textsOf(
  value: Expression,
  constants: ReadonlyMap<string, string>,
): Array<string | undefined> {
  switch (value.type) {
    case 'ConditionalExpression':
      return [...textsOf(value.consequent, constants), ...textsOf(value.alternate, constants)]
    case 'LogicalExpression':
      return [...textsOf(value.left, constants), ...textsOf(value.right, constants)]
    case 'Identifier':
      return [constants.get(value.name)]
    default:
      return [literalText(value)]
  }
}

function literalText(value: Expression): string | undefined {
  if (value.type === 'TemplateLiteral' && value.expressions.length === 0) {
    return value.quasis[0]?.value.cooked ?? undefined
  }
  if (value.type !== 'Literal') return undefined
  return ['string', 'number', 'boolean'].includes(typeof value.value)
    ? String(value.value)
    : undefined
}

/** Variables that are a text and nothing else, wherever their name stands in the bundle. */
function constantsOf(program: AnyNode): ReadonlyMap<string, string> {
  const constants = new Map<string, string>()
  const bound = new Set<string>()
  const bind = (name: string): void => {
    if (bound.has(name)) constants.delete(name)
    bound.add(name)
  }
  visit(program, (node) => {
    for (const name of boundNames(node)) bind(name)
    if (node.type === 'VariableDeclarator' && node.id.type === 'Identifier') {
      const { name } = node.id
      const isFirst = !bound.has(name)
      const text = node.init ? literalText(node.init) : undefined
      bind(name)
      if (isFirst && text !== undefined) constants.set(name, text)
    }
    return 'deeper'
  })
  return constants
}

/** Names that a node gives a value to, other than by a plain declaration. */
function boundNames(node: AnyNode): string[] {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return node.params.flatMap(namesIn)
    case 'AssignmentExpression':
      return namesIn(node.left)
    case 'VariableDeclarator':
      return node.id.type === 'Identifier' ? [] : namesIn(node.id)
    case 'CatchClause':
      return node.param ? namesIn(node.param) : []
    case 'UpdateExpression':
      return namesIn(node.argument)
    case 'ForOfStatement':
    case 'ForInStatement':
      return namesIn(node.left)
    default:
      return []
  }
}

function namesIn(root: AnyNode): string[] {
  const names: string[] = []
  visit(root, (node) => {
    if (node.type === 'Identifier') names.push(node.name)
    return 'deeper'
  })
  return names
}

/** Undefined for what is not the project's own. */
function placeOf(node: AnyNode, places: SourceMap): string | undefined {
  if (!node.loc) return undefined
  const { line, column } = node.loc.start
  const entry = places.findEntry(line - 1, column)
  if (!('originalSource' in entry) || !SOURCE.test(entry.originalSource)) return undefined
  return `${entry.originalSource}:${entry.originalLine + 1}`
}
