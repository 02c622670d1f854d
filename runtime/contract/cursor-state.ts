/** One trigger in one partition, as the process knows it that owns the partition; a line of `fn lag`. */
export interface CursorState {
  trigger: string
  group: string
  topic: string
  partition: number
  /** Committed offset as of the last commit. */
  committed: number
  /** End of the log as of the last read. */
  end: number
  /** Events taken and not yet ended. */
  inFlight: number
  attached: boolean
  paused: boolean
  trouble?: string
}
