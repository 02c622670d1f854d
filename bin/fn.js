#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { handOver, orExplain } from './hand-over.js'
import { RUNTIME_COMMANDS, RUNTIME_FLAGS } from './runtime-flags.js'
import { ensureDependencies, ROOT } from './setup.js'

await orExplain(async () => {
  const args = process.argv.slice(2)
  // A published package carries a bundle: Node does not strip types under node_modules.
  const bundle = join(ROOT, 'dist', 'fn.js')
  const flags = RUNTIME_COMMANDS.includes(args[0]) ? RUNTIME_FLAGS : []
  if (existsSync(bundle)) return handOver(bundle, args, flags)
  await ensureDependencies({ dev: false })
  return handOver(join(ROOT, 'cli', 'main.ts'), args, flags)
})
