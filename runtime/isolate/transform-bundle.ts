/** An EventTransform as a function: one program for all, with the expression before it. */
import { hash } from 'node:crypto'
import type { FunctionManifest } from '../contract/manifest.ts'
import type { TransformSubscriber } from '../contract/subscriber.ts'
import type { FunctionBundle } from '../contract/work.ts'
import { bundle } from './scripts.ts'

/** JSONata interprets: an expression over a megabyte of data takes long. */
const LIMITS = { memoryMiB: 64, cpuMs: 1_000 }

/** Where the kernel looks for a function's exports. */
const MODULE_GLOBAL = '__millraceModule'

let program: Promise<string> | undefined

export async function transformFunction({
  name,
  expression,
}: TransformSubscriber): Promise<{ manifest: FunctionManifest; bundle: FunctionBundle }> {
  program ??= bundle('./transform.isolate.ts', { format: 'iife', globalName: 'transform' })
  const text = JSON.stringify(expression)
  // JSONata looks for `atob` and `btoa` on a window.
  const code = `var ${MODULE_GLOBAL} = (() => {
const EXPRESSION = ${text}, window = globalThis
${await program}
return transform
})()`
  const [namespace = ''] = name.split('/')
  return {
    manifest: {
      name: `EventTransform ${name}`,
      namespace,
      file: name,
      bundle: '',
      map: '',
      version: hash('sha256', expression, 'hex'),
      limits: LIMITS,
      batch: { max: 1 },
      triggers: [],
    },
    bundle: { code, map: '' },
  }
}
