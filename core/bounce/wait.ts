// How long a reply asks to wait: "try again in 5 minutes", "greylisted for 300 seconds", "retry in 00:04:30".

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const spoken =
  /(?:\b(?:in|after|for|within|least|wait|next|every|noch)\b|[:=(+]) {0,2}(?:about |another |approximately |at least |up to |the next |~)?(\d{1,6}) ?(s|secs?|seconds?|sekunden|secondes?|m|mins?|minutes?|minuten|h|hrs?|hours?|stunden?|heures?|d|days?)\b/
const clock = /\b(?:in|after|for) (\d{1,2}):([0-5]\d):([0-5]\d)\b/
const longest_s = 7 * 86_400

/** Literals of which one stands in every text that `waitOf` can read: the cheap question first. */
export const waitHints: readonly string[] = [
  'second',
  'sekund',
  'minut',
  ' min',
  'hour',
  ' hrs',
  'stunde',
  'heure',
  ' sec',
  ' day',
  '0s',
  '0m',
  'in 0',
  'for 0',
  'after 0',
]

/** Seconds (1 to 7 days) that the normalised text asks to wait; undefined where it does not say. */
export const waitOf = (text: string): number | undefined => {
  const found = spoken.exec(text)
  if (found) return bounded(Number(found[1]) * (units[found[2]?.[0] ?? ''] ?? 1))
  const time = clock.exec(text)
  return time ? bounded(Number(time[1]) * 3600 + Number(time[2]) * 60 + Number(time[3])) : undefined
}

const bounded = (seconds: number): number | undefined => (seconds >= 1 && seconds <= longest_s ? seconds : undefined)
