/* oxlint-disable unicorn/no-new-array, no-console, typescript/no-misused-spread -- what these rules forbid is what is tried here */
/** Handlers that will not stop taking memory. The event's type names the one to run. */
const leak: unknown[] = []

const handlers: Record<string, () => unknown> = {
  'array-objects': () => {
    const list: unknown[] = []
    for (let n = 0; ; n++) list.push({ n, text: `text ${n}` })
  },
  'map-growth': () => {
    const map = new Map<number, number>()
    for (let n = 0; ; n++) map.set(n, n)
  },
  'object-keys': () => {
    const object: Record<string, number> = {}
    for (let n = 0; n < 1e7; n++) object[`key ${n}`] = n
    return { type: 'made', keys: Object.keys(object).length }
  },
  'spread-string': () => ({ type: 'made', characters: [...'.'.repeat(5e8)].length }),
  'finally-retry': () => {
    const chunks: unknown[] = []
    const take = (): void => {
      try {
        for (;;) chunks.push(new Array(1e5).fill(chunks.length))
      } finally {
        take()
      }
    }
    take()
  },
  'global-leak': () => {
    leak.push(Array.from({ length: 10_000 }, (_, n) => n + 0.5))
    return { type: 'leaked' }
  },
  'return-100-mb': () => ({ type: 'huge', data: 'x'.repeat(100 * 1024 * 1024) }),
  'return-20-mb': () => ({ type: 'huge', data: { text: 'x'.repeat(20 * 1024 * 1024) } }),
  'log-flood': () => {
    const line = 'x'.repeat(1_024)
    for (let n = 0; n < 1e6; n++) console.log(line)
    return { type: 'flooded' }
  },
  'timer-flood': () => {
    for (let n = 0; n < 3e5; n++) setTimeout(() => {}, 1_000)
  },
  reply: () => ({ type: 'fine' }),
}

export function handler(event: { type: string }): unknown {
  return handlers[event.type]?.()
}
