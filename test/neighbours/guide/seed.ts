/** The guide's own files, cut out of its text: each code block names its file in its first line. */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const SEED = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'seed')
const BLOCK = /```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n([\s\S]*?)```/g

export const GUIDE_YAML = [
  'kafka-broker.yaml',
  'producer-deployment.yaml',
  'consumer-deployment.yaml',
  'event-triggers.yaml',
  'event-sequence.yaml',
]

/** Undefined where the guide is not beside this checkout. */
export function guideFiles(): Map<string, string> | undefined {
  let names: string[]
  try {
    names = readdirSync(SEED)
  } catch {
    return undefined
  }
  const files = new Map<string, string>()
  for (const name of names) {
    const text = readFileSync(join(SEED, name), 'utf8')
    for (const [, file = '', body = ''] of text.matchAll(BLOCK)) files.set(file, body)
  }
  return files
}

export async function writeGuide(files: ReadonlyMap<string, string>, dir: string): Promise<void> {
  for (const [file, body] of files) {
    await mkdir(dirname(join(dir, file)), { recursive: true })
    await writeFile(join(dir, file), body)
  }
}
