// The measures of the acceptance table, as score.py beside the data computes them: shares with 95 % Wilson intervals.

import type { Message, ReplyRow } from './corpus'

export interface ReplyPrediction {
  readonly id: string
  readonly label: string
  readonly hard: boolean
  readonly blame: string
}

export interface RecipientPrediction {
  readonly recipient: string
  readonly category: string
  readonly hard: boolean
  readonly action: string
  readonly status: string | null
}

export interface MessagePrediction {
  readonly id: string
  readonly kind: string
  readonly recipients: readonly RecipientPrediction[]
  readonly feedback_type: string | null
}

/** A line of the table: what was measured, how many of how many. */
export interface Measure {
  readonly name: string
  readonly right: number
  readonly of: number
}

const wilson = (right: number, of: number): [number, number] => {
  const z = 1.96
  const share = right / of
  const width = 1 + (z * z) / of
  const middle = share + (z * z) / (2 * of)
  const half = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of))
  return [(middle - half) / width, (middle + half) / width]
}

const percent = (share: number): string => (100 * share).toFixed(1)

export const sayMeasure = ({ name, right, of }: Measure): string => {
  if (of === 0) return `${name.padEnd(32)}    n/a`
  const [low, high] = wilson(right, of)
  return `${name.padEnd(32)} ${percent(right / of).padStart(6)} %  (${percent(low)}-${percent(high)}, n=${of})`
}

const share = <T>(name: string, rows: readonly T[], right: (row: T) => boolean): Measure => ({
  name,
  right: rows.filter(right).length,
  of: rows.length,
})

const isLenient = (row: ReplyRow, label: string): boolean => label === row.label || row.accept.includes(label)

export const replyMeasures = (
  rows: readonly ReplyRow[],
  predictions: ReadonlyMap<string, ReplyPrediction>,
): Measure[] => {
  const pairs = rows.flatMap((row) => {
    const prediction = predictions.get(row.id)
    return row.label && prediction ? [{ row, prediction }] : []
  })
  const hits = pairs.filter(({ row, prediction }) => row.hard && prediction.hard).length
  return [
    share('replies, lenient', pairs, ({ row, prediction }) => isLenient(row, prediction.label)),
    share('replies, strict', pairs, ({ row, prediction }) => row.label === prediction.label),
    share('hard or soft', pairs, ({ row, prediction }) => row.hard === prediction.hard),
    { name: 'hard: precision', right: hits, of: pairs.filter(({ prediction }) => prediction.hard).length },
    { name: 'hard: recall', right: hits, of: pairs.filter(({ row }) => row.hard).length },
    share('coarse blame', pairs, ({ row, prediction }) => row.blame === prediction.blame),
    ...['wild', 'documented', 'synthetic'].map((tier) =>
      share(
        `replies, lenient, ${tier}`,
        pairs.filter(({ row }) => row.tier === tier),
        ({ row, prediction }) => isLenient(row, prediction.label),
      ),
    ),
  ]
}

/** Every cluster of near-equal replies counts once: what a set with other repetitions would show. */
export const clusterMeasure = (
  rows: readonly ReplyRow[],
  predictions: ReadonlyMap<string, ReplyPrediction>,
): Measure => {
  const clusters = new Map<string, boolean[]>()
  for (const row of rows) {
    const prediction = predictions.get(row.id)
    if (!row.label || !prediction) continue
    const key = row.cluster || row.id
    clusters.set(key, [...(clusters.get(key) ?? []), isLenient(row, prediction.label)])
  }
  const shares = [...clusters.values()].map((all) => all.filter(Boolean).length / all.length)
  return { name: 'replies, lenient, per cluster', right: shares.reduce((a, b) => a + b, 0), of: shares.length }
}

const plain = (address: string): string =>
  address
    .trim()
    .replace(/^<+|>+$/g, '')
    .toLowerCase()

export const messageMeasures = (
  rows: readonly Message[],
  predictions: ReadonlyMap<string, MessagePrediction>,
): Measure[] => {
  const pairs = rows.flatMap((row) => {
    const prediction = predictions.get(row.id)
    return row.kind && prediction ? [{ row, prediction }] : []
  })
  const kinds = [...new Set(pairs.map(({ row }) => row.kind))].sort()
  const expected = pairs
    .filter(({ row }) => row.kind === 'dsn' && (row.expected?.recipients.length ?? 0) > 0)
    .map(({ row, prediction }) => matchRecipients(row, prediction))
  const recipients = expected.flatMap(({ found }) => found)
  const named = pairs.filter(({ row }) => row.kind === 'arf' && row.expected?.feedback_type)
  return [
    ...kinds.map((kind) =>
      share(
        `kind ${kind ?? ''}`,
        pairs.filter(({ row }) => row.kind === kind),
        ({ row, prediction }) => prediction.kind === row.kind || row.accept_kind.includes(prediction.kind),
      ),
    ),
    share('DSN recipients found', recipients, ({ found }) => found),
    share('DSN exact recipient set', expected, ({ exact }) => exact),
    share('DSN category, lenient', recipients, ({ lenient }) => lenient),
    share('DSN category, strict', recipients, ({ strict }) => strict),
    share('DSN hard or soft', recipients, ({ hard }) => hard),
    share(
      'ARF feedback type',
      named,
      ({ row, prediction }) => row.expected?.feedback_type === prediction.feedback_type,
    ),
  ]
}

const matchRecipients = (row: Message, prediction: MessagePrediction) => {
  const got = new Map(prediction.recipients.map((each) => [plain(each.recipient), each]))
  const used = new Set<string>()
  const wanted = row.expected?.recipients ?? []
  const found = wanted.map((each) => {
    const forms = [each.recipient, ...each.accept_recipients].map(plain)
    const form = forms.find((one) => got.has(one))
    if (form !== undefined) for (const one of forms) used.add(one)
    const only = wanted.length === 1 && prediction.recipients.length === 1 ? prediction.recipients[0] : undefined
    const answer = form === undefined ? only : got.get(form)
    return {
      found: form !== undefined,
      strict: answer !== undefined && answer.category === each.category,
      lenient: answer !== undefined && (answer.category === each.category || each.accept.includes(answer.category)),
      hard: answer !== undefined && answer.hard === Boolean(each.hard),
    }
  })
  return { found, exact: found.every((each) => each.found) && [...got.keys()].every((key) => used.has(key)) }
}
