import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { FileWatch } from '../../../cli/file-watch.ts'
import { eventually } from '../../support/eventually.ts'

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-watch-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Does something and waits until the watch says so. */
function watching(t: TestContext, ...paths: string[]): (act: () => Promise<void>) => Promise<void> {
  let changes = 0
  const watch = new FileWatch(paths, () => changes++)
  t.after(() => watch.close())
  return async (act) => {
    const before = changes
    await act()
    await eventually(() => changes > before, 'the change is told')
  }
}

describe('FileWatch', () => {
  it('sees a file written, replaced, removed and back again', async (t) => {
    const dir = await folder(t)
    const file = join(dir, 'a.yaml')
    await writeFile(file, '1')
    const sees = watching(t, file)
    await sees(() => writeFile(file, '2'))
    for (const text of ['3', '4']) {
      await sees(async () => {
        await writeFile(join(dir, 'a.new'), text)
        await rename(join(dir, 'a.new'), file)
      })
    }
    await sees(() => rm(file))
    await sees(() => writeFile(file, '5'))
  })

  it('sees what a link leads to', async (t) => {
    const dir = await folder(t)
    await mkdir(join(dir, 'elsewhere'))
    await writeFile(join(dir, 'elsewhere', 'real.yaml'), '1')
    await symlink(join('elsewhere', 'real.yaml'), join(dir, 'a.yaml'))
    const sees = watching(t, join(dir, 'a.yaml'))
    await sees(() => writeFile(join(dir, 'elsewhere', 'real.yaml'), '2'))
  })

  it('sees files in a folder and below, also in one that was made anew', async (t) => {
    const dir = await folder(t)
    const given = join(dir, 'given')
    await mkdir(given)
    const sees = watching(t, given)
    await sees(() => writeFile(join(given, 'a.yaml'), '1'))
    await sees(() => mkdir(join(given, 'below')))
    await sees(() => writeFile(join(given, 'below', 'b.yml'), '1'))
    await sees(() => rm(given, { recursive: true }))
    await sees(() => mkdir(given))
    await sees(() => writeFile(join(given, 'c.json'), '{}'))
  })

  it('does not mind hidden files, nor those that are no resources', async (t) => {
    const dir = await folder(t)
    await mkdir(join(dir, '.millrace'))
    let changes = 0
    const watch = new FileWatch([dir], () => changes++)
    t.after(() => watch.close())
    await writeFile(join(dir, '.millrace', 'a.yaml'), '1')
    await writeFile(join(dir, 'log.txt'), '1')
    await writeFile(join(dir, '.a.yaml.swp'), '1')
    await writeFile(join(dir, 'a.yaml'), '1')
    await eventually(() => changes > 0, 'the one that counts is told')
    assert.equal(changes, 1)
  })
})
