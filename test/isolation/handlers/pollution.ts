/* oxlint-disable unicorn/no-thenable, unicorn/no-unnecessary-await, typescript/await-thenable, typescript/no-floating-promises -- what these rules forbid is what is tried here */
/** Handlers that change the language under everybody's feet. The event's type names the one to run. */
type Loose = Record<PropertyKey, unknown>
const objectPrototype = Object.prototype as unknown as Loose
const arrayPrototype = Array.prototype as unknown as Loose

const handlers: Record<string, () => unknown> = {
  'object-then': () => {
    // oxlint-disable-next-line unicorn/no-thenable -- a then for every object is the attack
    objectPrototype['then'] = () => {}
  },
  'object-to-json': () => {
    objectPrototype['toJSON'] = () => ({ forged: true })
  },
  'array-methods': () => {
    for (const name of Object.getOwnPropertyNames(Array.prototype)) {
      if (typeof arrayPrototype[name] === 'function') arrayPrototype[name] = () => ['forged']
    }
    Object.defineProperty(Array.prototype, '0', { set() {}, get: () => 'forged' })
  },
  'promise-methods': () => {
    const promise = Promise as unknown as Loose
    promise['resolve'] = promise['reject'] = promise['all'] = () => 'forged'
    ;(Promise.prototype as unknown as Loose)['then'] = () => {}
    Object.defineProperty(Promise.prototype, 'constructor', {
      get: () => {
        throw new Error('forged')
      },
    })
  },
  'json-and-strings': () => {
    JSON.parse = () => ({ forged: true })
    JSON.stringify = () => '"forged"'
    Date.now = () => 0
    Object.keys = () => ['forged']
    ;(String.prototype as unknown as Loose)['slice'] = () => 'forged'
    ;(Map.prototype as unknown as Loose)['get'] = () => undefined
    ;(Function.prototype as unknown as Loose)['call'] = () => 'forged'
    ;(Function.prototype as unknown as Loose)['apply'] = () => 'forged'
  },
  'freeze-everything': () => {
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      const value = (globalThis as unknown as Loose)[name]
      if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
        Object.freeze(value)
        const { prototype } = value as { prototype?: object }
        if (prototype !== undefined) Object.freeze(prototype)
      }
    }
  },
  reply: () => ({ type: 'fine', data: { list: [1, 2], text: 'x' } }),
  'reply-later': async () => {
    await null
    return { type: 'fine', data: { list: [1, 2], text: 'x' } }
  },
}

export function handler(event: { type: string }): unknown {
  return handlers[event.type]?.()
}
