import { join } from 'node:path'
import { handOver, orExplain } from './hand-over.js'
import { ensureDependencies, ROOT } from './setup.js'

await orExplain(async () => {
  await ensureDependencies({ dev: true })
  await handOver(join(ROOT, 'test', 'faults', 'run.ts'), process.argv.slice(2))
})
