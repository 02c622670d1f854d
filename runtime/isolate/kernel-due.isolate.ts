/** A list ordered by time. New entries mostly go to its end, so it is searched from there. */
export interface DueNode<Self> {
  due: number
  before: Self | null
  after: Self | null
}

export class DueList<Node extends DueNode<Node>> {
  first: Node | null = null
  #last: Node | null = null
  readonly #onFirst: (due: number) => void

  /** `onFirst` hears the earliest time whenever it may have changed; `Infinity` for an empty list. */
  constructor(onFirst: (due: number) => void) {
    this.#onFirst = onFirst
  }

  add(node: Node): void {
    let before = this.#last
    while (before !== null && before.due > node.due) before = before.before
    const after = before === null ? this.first : before.after
    node.before = before
    node.after = after
    if (before === null) this.first = node
    else before.after = node
    if (after === null) this.#last = node
    else after.before = node
    if (before === null) this.#onFirst(node.due)
  }

  remove(node: Node): void {
    const { before, after } = node
    if (before === null) this.first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
    node.before = null
    node.after = null
    if (before === null) this.#onFirst(after === null ? Infinity : after.due)
  }
}
