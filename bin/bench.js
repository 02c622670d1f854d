import { join } from 'node:path'
import { handOver, orExplain } from './hand-over.js'
import { ensureDependencies, ROOT } from './setup.js'

await orExplain(async () => {
  await ensureDependencies({ dev: true })
  const [job, ...rest] = process.argv.slice(2)
  if (job === 'triggers') await handOver(join(ROOT, 'bench', 'many-triggers.ts'), rest)
  else await handOver(join(ROOT, 'bench', 'run.ts'), process.argv.slice(2))
})
