import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { CONFIG_FILE, loadConfig, type ConfigSources } from '../../../runtime/config/load.ts'
import { CONFIG_KEYS, CONFIG_SCHEMA, keySchema } from '../../../runtime/config/schema.ts'
import { isMillraceError } from '../../../runtime/errors.ts'

const EMPTY_FOLDER = '/nonexistent'

test('with nothing given every key with a default has it, and the result is frozen', () => {
  const config = load({})
  for (const key of CONFIG_KEYS) {
    const { default: fallback } = keySchema(key)
    if (fallback !== undefined) assert.deepEqual(config[key], fallback, key)
  }
  assert.ok(Object.isFrozen(config))
  assert.ok(Object.isFrozen(config.brokers))
})

test('the schema requires exactly the keys that loading always gives', () => {
  const required: readonly string[] = CONFIG_SCHEMA.required
  assert.deepEqual(Object.keys(load({})).toSorted(), required.toSorted())
})

test('log lines are pretty on a terminal and JSON elsewhere, unless it is said', () => {
  assert.equal(load({ terminal: true }).logFormat, 'pretty')
  assert.equal(load({ terminal: false }).logFormat, 'json')
  assert.equal(load({ terminal: false, flags: { logFormat: 'pretty' } }).logFormat, 'pretty')
})

test('a flag wins over a variable, a variable over the file, the file over the default', async (t) => {
  const cwd = await projectWith(t, '{"port": 1001, "data": "from-file", "host": "::1"}')
  const env = { MILLRACE_PORT: '1002', MILLRACE_HOST: '0.0.0.0' }
  const config = load({ cwd, env, flags: { port: '1003' } })
  assert.equal(config.port, 1003)
  assert.equal(config.host, '0.0.0.0')
  assert.equal(config.data, 'from-file')
  assert.equal(config.metricsPort, 8000)
})

test('text is read as the type of its key, and a list is split at its commas', () => {
  const config = load({
    env: { MILLRACE_BROKERS: 'kafka-0:9092, [::1]:9093', MILLRACE_COMMIT_INTERVAL_MS: '20' },
  })
  assert.deepEqual(config.brokers, ['kafka-0:9092', '[::1]:9093'])
  assert.equal(config.commitIntervalMs, 20)
})

test('an empty list of brokers as a flag asks for the embedded log over what the file says', async (t) => {
  const cwd = await projectWith(t, '{"brokers": ["kafka:9092"]}')
  assert.deepEqual(load({ cwd, flags: { brokers: '' } }).brokers, [])
})

test('an empty variable and an undefined flag count as not given', () => {
  assert.equal(load({ env: { MILLRACE_PORT: '' }, flags: { port: undefined } }).port, 8080)
})

test('variables of other programs, of the set-up and of the tests are let be', () => {
  load({ env: { PATH: '/bin', MILLRACE_CACHE: '/cache', MILLRACE_TEST_KAFKA: 'shared' } })
})

test('an unknown key is refused with the nearest one, wherever it stands', async (t) => {
  const cwd = await projectWith(t, '{"prot": 1}')
  assert.deepEqual(
    problemsOf({ cwd, env: { MILLRACE_METRIC_PORT: '1' }, flags: { brokerz: 'a:1' } }),
    [
      `"prot" in ${join(cwd, CONFIG_FILE)} is not known; did you mean port?`,
      'MILLRACE_METRIC_PORT is not known; did you mean MILLRACE_METRICS_PORT?',
      'the flag brokerz is not known; did you mean --brokers?',
    ],
  )
})

test('a wrong value is refused with where it came from, what was given and what is right', async (t) => {
  const cwd = await projectWith(t, '{"port": "8080", "isolation": "strong", "data": ""}')
  const file = join(cwd, CONFIG_FILE)
  const env = {
    MILLRACE_PORT: '80.5',
    MILLRACE_BROKERS: 'kafka:9092,kafka',
    MILLRACE_APP: 'My_App',
  }
  assert.deepEqual(
    problemsOf({ cwd, env, flags: { commitIntervalMs: '1', metricsPort: '65536' } }),
    [
      `port in ${file} must be a whole number from 0 to 65535, but is "8080"`,
      `isolation in ${file} must be "shared" or "dedicated", but is "strong"`,
      `data in ${file} must be a text that is not empty, but is ""`,
      'MILLRACE_PORT must be a whole number from 0 to 65535, but is "80.5"',
      'MILLRACE_BROKERS must be host:port for each broker, for example kafka-0:9092,kafka-1:9092, but is "kafka"',
      'MILLRACE_APP must be a name of at most 63 letters a-z, digits and "-", but is "My_App"',
      '--commit-interval-ms must be a whole number from 10 to 60000, but is 1',
      '--metrics-port must be a whole number from 0 to 65535, but is 65536',
    ],
  )
})

test('a broker needs a port that exists', () => {
  for (const broker of ['kafka:0', 'kafka:65536', 'http://kafka:1', ':9092', 'a:b:1', '']) {
    assert.equal(problemsOf({ flags: { brokers: [broker] } }).length, 1, broker)
  }
})

test('what Kubernetes sets for a Service named millrace is told apart from a mistake', () => {
  const problems = problemsOf({
    env: { MILLRACE_PORT: 'tcp://10.0.0.1:80', MILLRACE_SERVICE_HOST: '10.0.0.1' },
  })
  assert.equal(problems.length, 2)
  for (const problem of problems) assert.match(problem, /enableServiceLinks: false/)
})

test('two servers on one port, and a buffer smaller than one event, are refused', () => {
  assert.deepEqual(problemsOf({ flags: { port: 8000 } }), [
    'port 8000 (--port) and metricsPort 8000 (the default) must differ',
  ])
  assert.deepEqual(problemsOf({ flags: { maxEventBytes: 2_097_152, maxBufferBytes: 1_048_576 } }), [
    'maxBufferBytes 1048576 (--max-buffer-bytes) must not be below maxEventBytes 2097152 (--max-event-bytes)',
  ])
  assert.equal(load({ flags: { port: '0', metricsPort: '0' } }).port, 0)
})

test('a file that is no JSON object is refused by its path', async (t) => {
  for (const text of ['', '{', '[]', 'null', '"port"']) {
    const cwd = await projectWith(t, text)
    const [problem] = problemsOf({ cwd })
    assert.ok(problem?.startsWith(join(cwd, CONFIG_FILE)), problem)
  }
})

test('whatever text a variable holds, loading gives a value within the schema or refuses it', () => {
  const variable = fc.constantFrom('MILLRACE_PORT', 'MILLRACE_COMMIT_INTERVAL_MS', 'MILLRACE_APP')
  fc.assert(
    fc.property(variable, fc.oneof(fc.string(), fc.integer().map(String)), (name, text) => {
      const sources = { env: { [name]: text } }
      try {
        const { port, commitIntervalMs, app } = load(sources)
        assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535)
        assert.ok(Number.isInteger(commitIntervalMs) && commitIntervalMs >= 10)
        assert.match(app, /^[a-z0-9-]{1,63}$/)
      } catch (error) {
        assert.ok(isMillraceError(error, 'FN_CONFIG_INVALID'), String(error))
      }
    }),
  )
})

function load(sources: ConfigSources): ReturnType<typeof loadConfig> {
  return loadConfig({ cwd: EMPTY_FOLDER, env: {}, terminal: false, ...sources })
}

function problemsOf(sources: ConfigSources): string[] {
  try {
    load(sources)
  } catch (error) {
    if (!isMillraceError(error, 'FN_CONFIG_INVALID')) throw error
    return error.detail['problems'] as string[]
  }
  return []
}

async function projectWith(t: TestContext, config: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-config-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, CONFIG_FILE), config)
  return folder
}
