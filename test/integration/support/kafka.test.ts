import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { eventually } from '../../support/eventually.ts'
import { kafkaForTests } from '../../support/kafka.ts'
import { isAlive } from '../../support/watched-program.ts'

const kafka = kafkaForTests({ own: true })

test('Kafka keeps its records over a kill and a restart', kafka.needed, async (t) => {
  const { cluster } = kafka
  if (cluster.external) return t.skip('KAFKA_BROKERS cannot be killed')
  const topic = kafka.name(t)
  await cluster.tool('topics', ['--create', '--topic', topic, '--partitions', '1'])
  await cluster.tool('console-producer', ['--topic', topic], 'one\ntwo\n')

  const pid = cluster.pid()
  await cluster.kill()
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  await cluster.restart()

  const client = new Kafka({ brokers: [cluster.bootstrap], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  t.after(() => admin.disconnect())
  await admin.connect()
  const [offsets] = await admin.fetchTopicOffsets(topic)
  assert.equal(offsets?.high, '2')
})

test('Kafka ends with the process that started it, however that ends', kafka.needed, async (t) => {
  if (kafka.cluster.external) return t.skip('KAFKA_BROKERS is not ours')
  const support = new URL('../../support/kafka.ts', import.meta.url)
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { startKafka } = await import(${JSON.stringify(support.href)})
       const cluster = await startKafka({ own: true })
       console.log(cluster.pid(), cluster.directory)
       setInterval(() => {}, 1000)`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const [pid, directory] = line.toString().trim().split(' ') as [string, string]
  const kafkaPid = Number(pid)
  assert.ok(isAlive(kafkaPid))

  child.kill('SIGKILL')
  await eventually(() => !isAlive(kafkaPid), 'the broker is gone')
  await eventually(() => !existsSync(directory), 'its data are gone')
})
