import { readFileSync } from 'node:fs'

const CHECK_MS = 500

/**
 * Calls `onGone` once when the npm that runs this script ends before it.
 *
 * npm hands a SIGTERM to the shell between it and the script, which dies of it and tells nobody; a
 * SIGKILL reaches npm alone. Either would leave a runtime behind that holds its ports and its log.
 */
export function watchNpm(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return
  const before = lineage()
  const timer = setInterval(() => {
    if (lineage() === before) return
    clearInterval(timer)
    onGone()
  }, CHECK_MS)
  timer.unref()
}

/** The process ids from the parent up to npm, which is the parent or the parent of a shell. */
function lineage() {
  const parent = process.ppid
  const { name, parentPid } = processInfo(parent)
  return name.startsWith('npm') ? `${parent}` : `${parent} ${parentPid}`
}

function processInfo(pid) {
  try {
    // pid (name) state parent …; the name may itself hold parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    const [, parentPid] = stat.slice(end + 2).split(' ')
    return { name: stat.slice(stat.indexOf('(') + 1, end), parentPid }
  } catch {
    // Gone between the two looks; the next look has another parent.
    return { name: '', parentPid: '' }
  }
}
