// A rate as the field writes it: `50/s`, `1,000/min`, `20/h`, `10_000/day`. Several rates hold at the same time, each
// in its own window; two rates of one window would contradict each other and are refused.

import { z } from 'zod'

export interface Rate {
  /** How many in one window; at least 1. */
  readonly limit: number
  readonly window_ms: number
}

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

const windows: Readonly<Record<string, number>> = {
  ...Object.fromEntries(['s', 'sec', 'second'].map((unit) => [unit, second])),
  ...Object.fromEntries(['m', 'min', 'minute'].map((unit) => [unit, minute])),
  ...Object.fromEntries(['h', 'hr', 'hour'].map((unit) => [unit, hour])),
  ...Object.fromEntries(['d', 'day'].map((unit) => [unit, day])),
}

const form = /^(\d[\d,_]{0,14})\s*\/\s*([a-z]{1,6})$/

/** `text` as a rate; undefined where it is none. */
export const parseRate = (text: string): Rate | undefined => {
  const [, digits, unit] = form.exec(text.trim().toLowerCase()) ?? []
  const window_ms = windows[unit ?? '']
  const limit = Number((digits ?? '').replace(/[,_]/g, ''))
  if (window_ms === undefined || !Number.isSafeInteger(limit) || limit < 1) return undefined
  return { limit, window_ms }
}

const units: readonly (readonly [number, string])[] = [
  [day, 'day'],
  [hour, 'h'],
  [minute, 'min'],
  [second, 's'],
]

/** The way a rate is written, e.g. `50/s`. */
export const sayRate = ({ limit, window_ms }: Rate): string =>
  `${limit}/${units.find(([ms]) => ms === window_ms)?.[1] ?? `${window_ms} ms`}`

const rate = z.string().transform((text, context): Rate => {
  const parsed = parseRate(text)
  if (parsed) return parsed
  context.addIssue({
    code: 'custom',
    message: 'a rate is a count and a window, such as 50/s, 1000/min, 20/h, 5000/day',
  })
  return z.NEVER
})

/** One rate or a list of them, the shortest window first. */
export const rates = z
  .union([rate.transform((one) => [one]), z.array(rate).max(4)])
  .refine((list) => new Set(list.map((one) => one.window_ms)).size === list.length, 'two rates for the same window')
  .transform((list): readonly Rate[] => list.toSorted((a, b) => a.window_ms - b.window_ms))
