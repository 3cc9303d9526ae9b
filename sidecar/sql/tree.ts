// The syntax tree of a statement, read from what EXPLAIN AST prints (TabSeparated): one node a line, one blank of indent
// a level, the number of children in brackets. A name could try to look like that; the printed numbers of children are
// checked against the lines, and a tree that does not add up is not a tree.

export interface Node {
  /** `Function`, `TableIdentifier`, … */
  readonly kind: string
  /** What follows the kind: a function's name, a table's, a literal's value. */
  readonly name: string
  readonly children: Node[]
}

interface Line {
  readonly depth: number
  readonly kind: string
  readonly name: string
  readonly children: number
}

/** `  Kind name (alias a) (children 2)`: all but the kind may be absent. Read from the end, where names cannot reach. */
const readLine = (printed: string): Line | undefined => {
  const text = printed.trimStart()
  const kind = /^[A-Za-z:]+(?= |$)/.exec(text)?.[0]
  if (kind === undefined) return undefined
  const counted = / \(children (\d{1,6})\)$/.exec(text)
  let name = text.slice(kind.length, counted?.index)
  const alias = name.endsWith(')') ? name.lastIndexOf(' (alias ') : -1
  if (alias >= 0) name = name.slice(0, alias)
  return { depth: printed.length - text.length, kind, name: name.trim(), children: Number(counted?.[1] ?? 0) }
}

/** The root, or undefined where the text does not add up. */
export const readTree = (text: string): Node | undefined => {
  interface Open {
    readonly node: Node
    readonly declared: number
  }
  const path: Open[] = []
  let root: Node | undefined
  const closeTo = (depth: number): boolean =>
    path.splice(depth).every(({ node, declared }) => node.children.length === declared)

  for (const printed of text.replace(/\n+$/, '').split('\n')) {
    const line = readLine(printed)
    if (!line) return undefined
    const { depth, kind, name, children } = line
    if (depth > path.length || !closeTo(depth)) return undefined
    const node: Node = { kind, name, children: [] }
    const parent = path.at(-1)
    if (parent) parent.node.children.push(node)
    else if (root) return undefined
    else root = node
    path.push({ node, declared: children })
  }
  return closeTo(0) ? root : undefined
}

/** Every node, parents first. */
export function* walk(node: Node): Generator<Node, void, undefined> {
  yield node
  for (const child of node.children) yield* walk(child)
}
