import { join } from 'node:path'
import { handOver, orExplain } from './hand-over.js'
import { RUNTIME_FLAGS } from './runtime-flags.js'
import { ensureDependencies, ROOT } from './setup.js'

await orExplain(async () => {
  await ensureDependencies({ dev: false })
  await handOver(join(ROOT, 'cli', 'main.ts'), ['main', ...process.argv.slice(2)], RUNTIME_FLAGS)
})
