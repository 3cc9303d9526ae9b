// What a campaign sends: a pure, seeded sequence of messages over streams, tenants, campaigns and recipient domains. The
// same plan is the same mail, byte by byte; another seed gives other recipients and other Message-IDs.

import { z } from 'zod'

import { diceOf, drawOf } from '../dice'

const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, . _ -')
const headerName = z.string().regex(/^[!-9;-~]{1,64}$/, 'a header field name')

const stream = z.strictObject({
  stream: word,
  tenant: word,
  campaign: word,
  /** Header and envelope sender. */
  from: z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'an address'),
  weight: z.number().positive().default(1),
})

export const planSchema = z.strictObject({
  seed: z.string().default('campaign'),
  messages: z.int().min(0).max(10_000_000),
  streams: z
    .array(stream)
    .min(1)
    .max(1000)
    .prefault([
      { stream: 'transactional', tenant: 'shop', campaign: 'receipts', from: 'orders@shop.example', weight: 2 },
      { stream: 'marketing', tenant: 'shop', campaign: 'autumn-sale', from: 'news@shop.example', weight: 5 },
      { stream: 'outreach', tenant: 'agency', campaign: 'invitations', from: 'hello@agency.example', weight: 1 },
    ]),
  /** Weight by recipient domain. */
  domains: z.record(z.string(), z.number().positive()).refine((all) => Object.keys(all).length > 0, 'at least one'),
  /** Recipients per message, evenly spread. */
  recipients: z
    .strictObject({
      min: z.int().min(1).max(1000).default(1),
      max: z.int().min(1).max(1000).default(1),
      /** Share of messages whose recipients are all in one domain. */
      same_domain: z.number().min(0).max(1).default(0.5),
    })
    .prefault({}),
  /** Different local parts per domain. */
  people: z.int().min(1000).max(1_000_000_000).default(1_000_000),
  /** Bytes per message, about, evenly spread. */
  size: z
    .strictObject({
      min: z.int().min(500).max(10_000_000).default(2000),
      max: z.int().min(500).max(10_000_000).default(4000),
    })
    .prefault({}),
  headers: z
    .strictObject({
      stream: headerName.default('X-Sluice-Stream'),
      tenant: headerName.default('X-Sluice-Tenant'),
      campaign: headerName.default('X-Sluice-Campaign'),
    })
    .prefault({}),
})
export type PlanOptions = z.input<typeof planSchema>
export type Plan = z.output<typeof planSchema>

export interface Submission {
  readonly stream: string
  readonly tenant: string
  readonly campaign: string
  readonly from: string
  readonly recipients: readonly string[]
  /** without angle brackets */
  readonly message_id: string
  /** Header and body with CRLF, no line beginning with a dot, without the end mark. */
  readonly text: string
}

/** The messages of the plan in order. `date` is their Date header (RFC 5322). */
export function* submissionsOf(plan: Plan, date: string): Generator<Submission> {
  const dice = diceOf(plan.seed, 'plan')
  const pickStream = chooser(plan.streams.map((one) => [one, one.weight] as const))
  const pickDomain = chooser(Object.entries(plan.domains))
  const run = Math.floor(drawOf(plan.seed, 'run') * 0x1_0000_0000).toString(36)

  for (let i = 1; i <= plan.messages; i++) {
    const { weight: _, ...from } = pickStream(dice())
    const recipients = drawRecipients(plan, dice, pickDomain)
    const message_id = `${run}.${i}@${from.from.slice(from.from.indexOf('@') + 1)}`
    const bytes = between(plan.size, dice())
    yield { ...from, recipients, message_id, text: textOf(plan, { ...from, recipients, message_id, date, bytes, i }) }
  }
}

const drawRecipients = (plan: Plan, dice: () => number, pickDomain: (draw: number) => string): string[] => {
  const wanted = between(plan.recipients, dice())
  const one = dice() < plan.recipients.same_domain ? pickDomain(dice()) : undefined
  const chosen = new Set<string>()
  while (chosen.size < wanted) {
    chosen.add(`user${Math.floor(dice() * plan.people)}@${one ?? pickDomain(dice())}`)
  }
  return [...chosen]
}

const between = ({ min, max }: { readonly min: number; readonly max: number }, draw: number): number =>
  min + Math.floor(draw * (Math.max(min, max) - min + 1))

/** Picks by weight: a draw in [0,1) to an item. */
export const chooser = <T>(items: readonly (readonly [T, number])[]): ((draw: number) => T) => {
  const total = items.reduce((sum, [, weight]) => sum + weight, 0)
  return (draw) => {
    let left = draw * total
    for (const [item, weight] of items) {
      left -= weight
      if (left < 0) return item
    }
    const last = items.at(-1)
    if (!last) throw new RangeError('nothing to choose from')
    return last[0]
  }
}

interface Letter extends Omit<Submission, 'text'> {
  readonly date: string
  readonly bytes: number
  readonly i: number
}

const line = `${'The quick brown fox jumps over the lazy dog, and the mail goes out.'.padEnd(74, ' ~')}\r\n`

const textOf = ({ headers }: Plan, letter: Letter): string => {
  const head = [
    `From: <${letter.from}>`,
    `To: ${letter.recipients.map((address) => `<${address}>`).join(',\r\n ')}`,
    `Subject: ${letter.campaign} ${letter.i}`,
    `Date: ${letter.date}`,
    `Message-ID: <${letter.message_id}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    `${headers.stream}: ${letter.stream}`,
    `${headers.tenant}: ${letter.tenant}`,
    `${headers.campaign}: ${letter.campaign}`,
    '',
    '',
  ].join('\r\n')
  return head + line.repeat(Math.max(1, Math.round((letter.bytes - head.length) / line.length)))
}
