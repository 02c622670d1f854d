/** Work items → the frame that a worker hands to the kernel as it is: data unparsed, cut by lengths. */
import { isAscii, isUtf8 } from 'node:buffer'
import type { EventData } from '../contract/event.ts'
import type { WorkItem } from '../contract/work.ts'
import type { ToWorker } from '../contract/worker-messages.ts'
import { openFrame } from './frames.ts'
import { DATA } from './kernel-protocol.ts'

/** `slots[i]` is the slot of `items[i]`. */
export function encodeEvents(
  id: number,
  items: readonly WorkItem[],
  slots: readonly number[],
): Buffer {
  const triggers = new Map<string, number>()
  const bodies: Array<Buffer | string | undefined> = []
  let numbers = ''
  let attributes = ''
  let dataBytes = 0
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as WorkItem
    let trigger = triggers.get(item.trigger)
    if (trigger === undefined) triggers.set(item.trigger, (trigger = triggers.size))
    const { data } = item.event
    const kind = kindOf(data)
    const body = kind === DATA.base64 ? data?.bytes.toString('base64') : data?.bytes
    const units = unitsOf(body)
    bodies.push(body)
    // Base64 has one byte a character.
    dataBytes += body === undefined ? 0 : body.length
    const comma = index === 0 ? '' : ','
    numbers +=
      `${comma}${slots[index] as number},${kind},${units},${item.lane},${trigger},` +
      `${item.concurrency},${item.attempt},${item.timeoutMs}`
    attributes += comma + JSON.stringify(item.event.attributes)
  }
  const header = `{"t":${JSON.stringify([...triggers.keys()])},"n":[${numbers}],"a":[${attributes}]}`
  const headerBytes = Buffer.byteLength(header)
  const message: ToWorker = {
    type: 'events',
    function: id,
    slots: slots as number[],
    headerUnits: header.length,
  }
  const [frame, payloadAt] = openFrame(message, headerBytes + dataBytes)
  frame.write(header, payloadAt, 'utf8')
  writeBodies(frame, payloadAt + headerBytes, bodies)
  return frame
}

function writeBodies(
  frame: Buffer,
  start: number,
  bodies: ReadonlyArray<Buffer | string | undefined>,
): void {
  let at = start
  for (const body of bodies) {
    if (body === undefined) continue
    if (typeof body === 'string') frame.write(body, at, 'latin1')
    else frame.set(body, at)
    at += body.length
  }
}

function kindOf(data: EventData | undefined): number {
  if (data === undefined) return DATA.none
  if (data.kind === 'binary' || !(isAscii(data.bytes) || isUtf8(data.bytes))) return DATA.base64
  return data.kind === 'json' ? DATA.json : DATA.text
}

/** UTF-16 units of the text, which is how the kernel counts. */
function unitsOf(body: Buffer | string | undefined): number {
  if (body === undefined) return 0
  if (typeof body === 'string' || isAscii(body)) return body.length
  return body.toString('utf8').length
}
