// Quiet hours: times of the day, in a time zone, at which a lane takes no mail. A span may pass midnight; its days are
// those on which it begins. Local time comes from the zone's rules, so a span keeps its clock hours over the change to
// summer time.

import { z } from 'zod'

import { day, minute } from './rate'

const clock = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 22:30')
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false // the only way Intl tells
  }
}

export const quietHours = z.array(
  z
    .strictObject({
      from: clock,
      until: clock,
      /** Days on which the span begins; absent = every day. */
      days: z.array(z.enum(weekdays)).min(1).max(7).optional(),
      zone: z.string().max(64).refine(isZone, 'not a time zone (IANA name)').default('UTC'),
    })
    .refine((span) => span.from !== span.until, 'begins when it ends'),
)
export type QuietSpan = z.output<typeof quietHours>[number]

interface LocalTime {
  readonly weekday: number
  /** Minutes since local midnight, with the seconds as a fraction. */
  readonly minutes: number
}

const formats = new Map<string, Intl.DateTimeFormat>()

const formatOf = (zone: string): Intl.DateTimeFormat => {
  const known = formats.get(zone)
  if (known) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  formats.set(zone, made)
  return made
}

const localTime = (zone: string, at: number): LocalTime => {
  const part: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {}
  for (const { type, value } of formatOf(zone).formatToParts(at)) part[type] = value
  return {
    weekday: weekdays.indexOf((part.weekday ?? 'sun').toLowerCase() as (typeof weekdays)[number]),
    minutes: Number(part.hour) * 60 + Number(part.minute) + Number(part.second) / 60 + (at % 1000) / minute,
  }
}

const dayMinutes = day / minute

/** Minutes until the span ends, where it holds at that local time. */
const remaining = (span: QuietSpan, { weekday, minutes }: LocalTime): number | undefined => {
  const overnight = span.until < span.from
  const begun = minutes >= span.from
  const holds = overnight ? begun || minutes < span.until : begun && minutes < span.until
  if (!holds) return undefined
  // After midnight the span belongs to the day before.
  const first = overnight && !begun ? (weekday + 6) % 7 : weekday
  if (span.days && !span.days.includes(weekdays[first] ?? 'sun')) return undefined
  return span.until - minutes + (overnight && begun ? dayMinutes : 0)
}

const endOf = (span: QuietSpan, now: number): number | undefined => {
  const left = remaining(span, localTime(span.zone, now))
  if (left === undefined) return undefined
  const guess = now + Math.ceil(left * minute)
  // Where the clocks change in between, the guess is off by what they moved.
  const there = localTime(span.zone, guess).minutes
  const off = ((there - span.until + dayMinutes * 1.5) % dayMinutes) - dayMinutes / 2
  return guess - Math.round(off * minute)
}

/** Until when (ms since 1970) the lane is quiet at `now`; undefined where it is not. Spans that touch are one. */
export const quietUntil = (spans: readonly QuietSpan[], now: number): number | undefined => {
  let until: number | undefined
  for (let step = 0; step < 8; step++) {
    const ends = spans.map((span) => endOf(span, until ?? now)).filter((end) => end !== undefined)
    if (ends.length === 0) return until
    until = Math.max(...ends)
  }
  return until
}
