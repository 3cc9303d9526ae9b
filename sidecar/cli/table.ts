// Rows as columns for people: numbers to the right, text to the left, no more precision than an eye can use.

export type Cell = string | number | boolean | undefined

/** Significant digits of a number that is not whole. */
const digits = 4

export const sayCell = (cell: Cell): string => {
  if (cell === undefined) return ''
  if (typeof cell !== 'number' || Number.isInteger(cell)) return String(cell)
  return String(Number(cell.toPrecision(digits)))
}

/** Text of a table; one line saying so where there are no rows. */
export const sayTable = (heads: readonly string[], rows: readonly (readonly Cell[])[]): string => {
  if (rows.length === 0) return '(none)'
  const texts = rows.map((row) => heads.map((_, at) => sayCell(row[at]).replaceAll(/\s+/g, ' ')))
  const right = heads.map((_, at) => rows.every((row) => typeof row[at] === 'number' || row[at] === undefined))
  const widths = heads.map((head, at) => Math.max(head.length, ...texts.map((row) => row[at]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (right[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...texts.map(line)].join('\n')
}

/** A moment for people, to the second, UTC. */
export const sayTime = (ms: number | null | undefined): string =>
  ms === undefined || ms === null || ms === 0 ? '' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
