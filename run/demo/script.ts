// What happens in the demo and when, as parts of the campaign's time: one source is put on one provider's block list in
// the second quarter, and taken off again with enough time left to come back. Pure.

export interface Script {
  readonly provider: string
  readonly source: string
  readonly pool: string
  /** Seconds after the first message. */
  readonly listedAt: number
  readonly listedFor: number
  readonly campaignFor: number
}

/** Seconds after the first message, from and to. */
export type Span = readonly [from: number, to: number]

/** Spans in which the listed source's share is measured. */
export interface Spans {
  readonly before: Span
  readonly during: Span
  readonly after: Span
}

/** Within this many seconds the traffic must have left a listed source. */
const leavesWithin = 30

/** @param seconds how long the campaign lasts */
export const scriptOf = (seconds: number): Script => ({
  provider: 'goggle',
  source: 'mk-2',
  pool: 'marketing',
  listedAt: Math.round(seconds * 0.2),
  listedFor: Math.round(seconds * 0.35),
  campaignFor: seconds,
})

export const spansOf = ({ listedAt, listedFor, campaignFor }: Script): Spans => {
  const ends = listedAt + listedFor
  return {
    before: [0, listedAt],
    during: [listedAt + Math.min(leavesWithin, listedFor / 2), ends],
    after: [ends + (campaignFor - ends) * 0.6, campaignFor],
  }
}

/** Domains of the campaign's senders; what cannot be delivered is reported to them. */
export const senderDomains = ['shop.test', 'agency.test']

export const campaignStreams = [
  { stream: 'transactional', tenant: 'shop', campaign: 'receipts', from: 'orders@shop.test', weight: 2 },
  { stream: 'marketing', tenant: 'shop', campaign: 'autumn-sale', from: 'news@shop.test', weight: 5 },
  { stream: 'outreach', tenant: 'agency', campaign: 'invitations', from: 'hello@agency.test', weight: 1 },
]
