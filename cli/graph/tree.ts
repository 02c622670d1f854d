/** A tree as lines. */
export interface Tree {
  label: string
  children: readonly Tree[]
}

export function treeLines({ label, children }: Tree): string[] {
  return [oneLine(label), ...branchLines(children)]
}

function branchLines(trees: readonly Tree[]): string[] {
  return trees.flatMap(({ label, children }, index) => {
    const isLast = index === trees.length - 1
    const below = isLast ? '   ' : '│  '
    return [
      `${isLast ? '└' : '├'}─ ${oneLine(label)}`,
      ...branchLines(children).map((line) => below + line),
    ]
  })
}

/** An expression may have been written on several lines, and anything may stand in it. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}
