// A duration as people write it: `30s`, `5m`, `2h`, `4d`, `1h30m`, or a plain number of seconds. Kept as milliseconds.

import { z } from 'zod'

import { day, hour, minute, second } from './rate'

const units: Readonly<Record<string, number>> = { ms: 1, s: second, m: minute, h: hour, d: day, w: 7 * day }
const parts = /(\d+(?:\.\d+)?)(ms|[smhdw])/g
const whole = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw])){1,6}$/

/** Milliseconds; undefined where `text` is no duration. */
export const parseDuration = (text: string): number | undefined => {
  const plain = text.trim().toLowerCase().replace(/\s+/g, '')
  if (plain.length > 64 || !whole.test(plain)) return undefined
  let total = 0
  for (const [, count, unit] of plain.matchAll(parts)) total += Number(count) * (units[unit ?? ''] ?? 0)
  return Math.round(total)
}

/** The shortest way to write `ms`, e.g. `1h30m`; `0s` for nothing. */
export const sayDuration = (ms: number): string => {
  let rest = Math.max(0, Math.round(ms))
  let text = ''
  for (const [unit, size] of Object.entries(units).toReversed()) {
    if (unit === 'w' || rest < size) continue
    text += `${Math.floor(rest / size)}${unit}`
    rest %= size
  }
  return text || '0s'
}

/** A duration between `min` and `max` milliseconds. */
export const duration = (min: number, max: number) =>
  z.union([z.number(), z.string()]).transform((value, context): number => {
    const ms = typeof value === 'number' ? Math.round(value * second) : parseDuration(value)
    if (ms === undefined) {
      context.addIssue({ code: 'custom', message: 'a duration is a number of seconds, or such as 30s, 5m, 2h, 4d' })
      return z.NEVER
    }
    if (!(ms >= min && ms <= max)) {
      context.addIssue({ code: 'custom', message: `must be ${sayDuration(min)} to ${sayDuration(max)}` })
      return z.NEVER
    }
    return ms
  })
