// The summary as lines of text that fit a terminal: totals, a table provider x source, the latest events. Pure; colour
// is a function given by the caller, so a test reads plain text.

import { byVolume, cellOf, totalsOf, type Cell, type Figures } from './figures'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'
export type Paint = (style: Style, text: string) => string

export interface Layout {
  readonly width: number
  readonly height: number
  /** Sources side by side, grouped by pool. */
  readonly pools: Readonly<Record<string, readonly string[]>>
  readonly paint: Paint
}

const nameWidth = 11
const countColumns = [
  ['sent', 8],
  ['deferred', 9],
  ['bounced', 8],
] as const
const cellWidth = 9

const number = (value: number): string => value.toLocaleString('en-US')
const clock = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** Cuts to `width`; colour codes must not be in it yet. */
const fit = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text)

export const screen = (figures: Figures, layout: Layout): string[] => {
  const head = [...headline(figures, layout), '', ...columnHeads(layout)]
  const providers = byVolume(figures.counts, 'provider')
  const room = Math.max(1, layout.height - head.length - 6)
  const rows = providers.slice(0, room).map((provider) => row(figures, provider, layout))
  const left = layout.height - head.length - rows.length - 3
  const events = figures.events.slice(-Math.max(3, left)).map(({ at, text }) => `${clock(at - figures.since)}  ${text}`)
  const legend = 'cell: share of its pool’s last traffic there, and weight (1.0 = as configured)'
  return [
    ...head,
    ...rows,
    layout.paint('dim', fit(legend, layout.width)),
    '',
    ...events.map((event) => fit(event, layout.width)),
  ].slice(0, layout.height)
}

const headline = (figures: Figures, { width, paint }: Layout): string[] => {
  const { delivered, deferred, bounced } = totalsOf(figures.counts)
  const { submitted, planned } = figures
  const progress =
    submitted === undefined ? '' : `submitted ${number(submitted)}${planned ? ` of ${number(planned)}` : ''}   `
  const first = `Sluice  ${clock(figures.at - figures.since)}   ${progress}routing v${figures.routingVersion}`
  const second = `sent ${number(delivered)}   deferred ${number(deferred)}   bounced ${number(bounced)}`
  return [paint('bold', fit(first, width)), fit(second, width)]
}

const columnHeads = ({ pools, paint }: Layout): string[] => {
  const lead = ' '.repeat(countColumns.reduce((sum, [, width]) => sum + width, nameWidth))
  const groups = Object.entries(pools).map(([pool, sources]) =>
    fit(pool, sources.length * cellWidth - 1).padStart(sources.length * cellWidth),
  )
  const sources = Object.values(pools)
    .flat()
    .map((source) => fit(source, cellWidth - 1).padStart(cellWidth))
  const counts = countColumns.map(([name, width]) => name.padStart(width))
  return [
    paint('dim', lead + groups.join('')),
    paint('bold', 'provider'.padEnd(nameWidth) + [...counts, ...sources].join('')),
  ]
}

const row = (figures: Figures, provider: string, layout: Layout): string => {
  const totals = totalsOf(figures.counts.filter((count) => count.provider === provider))
  const values = { sent: totals.delivered, deferred: totals.deferred, bounced: totals.bounced }
  const counts = countColumns.map(([name, width]) => number(values[name]).padStart(width))
  const cells = Object.values(layout.pools).flatMap((sources) =>
    sources.map((source) =>
      cell(
        cellOf(figures, provider, source, () => sources),
        layout.paint,
      ),
    ),
  )
  return fit(provider, nameWidth - 1).padEnd(nameWidth) + counts.join('') + cells.join('')
}

const cell = ({ share, standing }: Cell, paint: Paint): string => {
  const percent = share === undefined ? '-' : `${Math.round(share * 100)}%`
  const weight = standing === undefined ? '   ' : sayStanding(standing)
  const text = `${percent} ${weight}`.padStart(cellWidth)
  if (standing === undefined || standing >= 0.95) return text
  return paint(standing < 0.5 ? 'red' : 'yellow', text)
}

/** In three characters, so that 0 is really none. */
const sayStanding = (standing: number): string =>
  standing > 0 && standing < 0.095 ? standing.toFixed(2).slice(1) : standing.toFixed(1)

/** One line for a log: what a terminal would show on a whole screen. */
export const line = (figures: Figures): string => {
  const { delivered, deferred, bounced } = totalsOf(figures.counts)
  const submitted = figures.submitted === undefined ? '' : ` submitted ${figures.submitted}`
  return `${clock(figures.at - figures.since)}${submitted} sent ${delivered} deferred ${deferred} bounced ${bounced} routing v${figures.routingVersion}`
}
