/* oxlint-disable unicorn/no-unnecessary-await, typescript/await-thenable -- what these rules forbid is what is tried here */
/** Handlers that will not stop. The event's type names the one to run. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const big = JSON.stringify(Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x'.repeat(20) })))

const handlers: Record<string, () => unknown> = {
  'sync-loop': () => {
    for (;;);
  },
  'while-await-null': async () => {
    for (;;) await null
  },
  'promise-chain-starve': () => {
    const again = (): void => void Promise.resolve().then(again)
    again()
  },
  'loop-after-timer': async () => {
    await sleep(20)
    for (;;);
  },
  'timer-loop': async () => {
    for (;;) await sleep(0)
  },
  'never-resolves': () => new Promise(() => {}),
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable that never calls back is the attack
  'thenable-never': () => ({ then() {} }),
  'microtask-bomb': () => {
    const bomb = (): void => {
      for (let n = 0; n < 1_000; n++) void Promise.resolve().then(bomb)
    }
    bomb()
    for (;;);
  },
  redos: () => /^(a+)+$/.test('a'.repeat(50) + 'b'),
  'message-getter-loop': () => {
    throw Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        for (;;);
      },
    })
  },
  'rejection-getter-loop': () => {
    void Promise.reject({
      get message() {
        for (;;);
      },
    })
  },
  'prepare-stack-trace-loop': () => {
    Error.prepareStackTrace = () => {
      for (;;);
    }
    throw new TypeError('plain')
  },
  'finalization-registry': () => new FinalizationRegistry(() => {}),
  'native-index-of': () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1),
  'native-json-parse-loop': () => {
    for (;;) JSON.parse(big)
  },
  'native-string-index-of': () => 'a'.repeat(2e6).indexOf('a'.repeat(1e5) + 'b' + 'a'.repeat(1e5)),
  'native-bigint': () => {
    for (let n = 3n; ;) n *= n
  },
  reply: () => ({ type: 'fine' }),
}

export function handler(event: { type: string }): unknown {
  return handlers[event.type]?.()
}
