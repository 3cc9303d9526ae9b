// What Sluice writes on a message when it is accepted, and reads back for every attempt, over restarts too: it lies in
// the notes of the transaction, which Haraka keeps in the queue file under `notes.sluice`.

/** Key of the tag in Haraka's notes. */
export const tagNote = 'sluice'

/** Key of the mark (`true`) on a transaction that carries a report to us: it does not leave and gets no tag. */
export const reportNote = 'sluice_report'

export interface Tag {
  /** UUIDv7, one for all recipients. */
  readonly message_id: string
  readonly stream: string
  readonly tenant: string
  readonly campaign: string
  /** Message-ID header without angle brackets; empty where there was none. */
  readonly header_message_id: string
  /** Bytes, as received. */
  readonly size: number
  /** Domain of the From header, lower case; absent where it has none. */
  readonly from_domain?: string
  /** `d=` of the DKIM signature the message leaves with, lower case; absent where it is not known. */
  readonly dkim_domain?: string
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The tag in `notes`; undefined for mail that was queued without Sluice. */
export const tagOf = (notes: Readonly<Record<string, unknown>>): Tag | undefined => {
  const found = notes[tagNote]
  if (typeof found !== 'object' || found === null) return undefined
  const note = found as Partial<Record<keyof Tag, unknown>>
  const { message_id, stream, tenant, campaign, header_message_id, size } = note
  if (typeof message_id !== 'string' || typeof stream !== 'string') return undefined
  const [from_domain, dkim_domain] = [text(note.from_domain), text(note.dkim_domain)]
  return {
    message_id,
    stream,
    tenant: text(tenant),
    campaign: text(campaign),
    header_message_id: text(header_message_id),
    size: typeof size === 'number' && size >= 0 ? Math.floor(size) : 0,
    ...(from_domain && { from_domain }),
    ...(dkim_domain && { dkim_domain }),
  }
}
