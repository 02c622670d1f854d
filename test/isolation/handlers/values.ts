/** Handlers that throw and return what they should not, or recurse. The event's type names the one. */
const circular: Record<string, unknown> = {}
circular['self'] = circular

function deeper(): number {
  return deeper() + 1
}

function recovering(): number {
  try {
    return recovering() + 1
  } catch {
    return recovering() + 1
  }
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function toss(value: unknown): never {
  // oxlint-disable-next-line typescript/only-throw-error -- throwing what is no error is the attack
  throw value
}

const handlers: Record<string, (event: { data: unknown }) => unknown> = {
  recursion: () => ({ type: 'made', depth: deeper() }),
  'recursion-catch': () => ({ type: 'made', depth: recovering() }),
  'regexp-overflow': () => ({ type: 'made', ok: new RegExp('('.repeat(1e5)).test('') }),
  'json-deep': () => ({ type: 'made', ok: JSON.parse('['.repeat(1e5)) !== null }),
  'stringify-deep': () => {
    let data: unknown = []
    for (let n = 0; n < 2e4; n++) data = [data]
    return { type: 'made', data }
  },
  'throw-null': () => toss(null),
  'throw-undefined': () => toss(undefined),
  'throw-symbol': () => toss(Symbol('s')),
  'throw-revoked-proxy': () => toss(revoked()),
  'throw-bigint': () => toss(7n),
  'throw-function': () => toss(() => {}),
  'throw-throwing-getters': () =>
    toss({
      get message(): never {
        throw new Error('from message')
      },
      get stack(): never {
        throw new Error('from stack')
      },
    }),
  'return-circular': () => ({ type: 'made', data: circular }),
  'return-bigint': () => ({ type: 'made', data: { n: 1n } }),
  'return-symbol': () => ({ type: 'made', data: Symbol('s') }),
  'return-function': () => ({ type: 'made', data: () => {} }),
  'return-lone-surrogate': () => ({ type: 'made', data: { text: '\ud800' } }),
  'return-number': () => 42,
  'return-no-type': () => ({ data: {} }),
  'return-object-attribute': () => ({ type: 'made', subject: { a: 1 } }),
  'return-upper-case-attribute': () => ({ type: 'made', orderId: '1' }),
  'return-data-echo': (event) => ({ type: 'made', data: event.data }),
  'dangling-rejection': () => {
    void Promise.reject(new Error('nobody looks'))
    return { type: 'fine' }
  },
  reply: () => ({ type: 'fine' }),
}

export function handler(event: { type: string; data: unknown }): unknown {
  return handlers[event.type]?.(event)
}
