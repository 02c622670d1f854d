/** Text of a file to resources that know their lines. JSON is read as the YAML that it is. */
import { LineCounter, parseAllDocuments, visit, type Document } from 'yaml'
import { isRecord } from '../../runtime/contract/schema-problems.ts'
import { linesOf } from './lines.ts'
import { isFinding, resourceAt } from './resource-of.ts'
import type { Finding, Resource } from './resource.ts'
import type { Path } from './shape.ts'

/** A short document can say a great deal by aliases of aliases. */
const MAX_ALIASES = 100
const MAX_DEPTH = 64
/** Of one file; the errors after the first few of a broken text are echoes. */
const MAX_SYNTAX_ERRORS = 5

export interface ParsedFile {
  resources: Resource[]
  findings: Finding[]
}

/**
 * Reads the documents of one file, and the items of Lists in them. A document that is wrong is reported
 * and left out; the others are read.
 */
export function parseResources(file: string, text: string): ParsedFile {
  const parsed: ParsedFile = { resources: [], findings: [] }
  const lines = new LineCounter()
  for (const document of documentsOf(file, text, lines, parsed)) {
    const broken = syntaxFindings(file, document, lines)
    if (broken.length > 0) {
      parsed.findings.push(...broken)
      continue
    }
    const place = linesOf(file, document, lines)
    const json = jsonOf(document, place([]), parsed)
    if (json === undefined || json === null) continue
    addObjects(json, { place, at: [], parsed })
  }
  return parsed
}

function documentsOf(
  file: string,
  text: string,
  lineCounter: LineCounter,
  { findings }: ParsedFile,
): Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter,
      // As the API server reads it, dates stay texts.
      schema: 'core',
      merge: true,
      uniqueKeys: true,
      prettyErrors: false,
      logLevel: 'silent',
    })
    return Array.isArray(documents) ? documents : []
  } catch (error) {
    findings.push(unreadable(`${file}:1`, error))
    return []
  }
}

function syntaxFindings(file: string, document: Document.Parsed, lines: LineCounter): Finding[] {
  return [...document.errors, ...document.warnings]
    .slice(0, MAX_SYNTAX_ERRORS)
    .map(({ message, pos }) => ({
      severity: 'error',
      place: `${file}:${lines.linePos(pos[0]).line}`,
      field: '',
      message: `no YAML that can be read: ${message.replaceAll(/\s+/g, ' ')}`,
    }))
}

function jsonOf(document: Document.Parsed, place: string, { findings }: ParsedFile): unknown {
  try {
    const json: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    if (depthOf(json) <= MAX_DEPTH) return json
    findings.push(unreadable(place, `it is nested deeper than ${MAX_DEPTH} levels`))
  } catch (error) {
    const lost = lostAlias(document)
    findings.push(
      unreadable(
        place,
        lost === undefined
          ? error
          : `it uses *${lost}, and has no &${lost} before it; what stands in another document does not count`,
      ),
    )
  }
  return undefined
}

/** An alias of nothing, whose error is told in other words where it is merged. */
function lostAlias(document: Document.Parsed): string | undefined {
  let lost: string | undefined
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined
      lost = alias.source
      return visit.BREAK
    },
  })
  return lost
}

function addObjects(
  json: unknown,
  { place, at, parsed }: { place: (path: Path) => string; at: Path; parsed: ParsedFile },
): void {
  // An empty List may say `items: null`, as Go writes a list that was never made.
  if (isRecord(json) && json['items'] === null && String(json['kind']).endsWith('List')) return
  if (isRecord(json) && Array.isArray(json['items']) && String(json['kind']).endsWith('List')) {
    json['items'].forEach((item: unknown, index) => {
      addObjects(item, { place, at: [...at, 'items', index], parsed })
    })
    return
  }
  const found = resourceAt(json, place, at)
  if (isFinding(found)) parsed.findings.push(found)
  else parsed.resources.push(found)
}

/** Counts no further than one beyond what is allowed. */
function depthOf(json: unknown, above = 0): number {
  if (typeof json !== 'object' || json === null || above > MAX_DEPTH) return above
  return Object.values(json).reduce(
    (depth: number, value) => Math.max(depth, depthOf(value, above + 1)),
    above + 1,
  )
}

function unreadable(place: string, cause: unknown): Finding {
  const why = cause instanceof Error ? cause.message : String(cause)
  return { severity: 'error', place, field: '', message: `no YAML that can be read: ${why}` }
}
