// A report as it waits for the sidecar: one JSON line with the envelope it arrived in, then the message as received. A
// one-click unsubscribe waits in the same way, without a message.
// Written beside under a `.tmp` name, synced, then renamed: a file with the final name is whole.
//
//   <arrival ms>-<host>-<worker>-<sequence>.report

import { z } from 'zod'

export const reportSuffix = '.report'

const envelopeSchema = z.object({
  v: z.literal(1),
  /** ms since 1970 */
  at: z.int().nonnegative(),
  /** Address of the client that delivered it; empty where it did not come by SMTP. */
  client_ip: z.string().max(64),
  mail_from: z.string().max(1024),
  rcpt_to: z.array(z.string().max(1024)).max(1000),
  /** A verified one-click unsubscribe. */
  unsubscribe: z.object({ message_id: z.uuid(), recipient: z.string().min(1).max(320) }).optional(),
})
export type ReportEnvelope = z.infer<typeof envelopeSchema>

export interface ReportFile {
  readonly envelope: ReportEnvelope
  /** RFC 5322 message, CRLF or LF */
  readonly message: Buffer
}

const newline = 0x0a

/** The first line, its newline included. */
export const envelopeLine = (envelope: ReportEnvelope): string => `${JSON.stringify(envelope)}\n`

/** Undefined where the content is not a report file. */
export const parseReportFile = (content: Buffer): ReportFile | undefined => {
  const end = content.indexOf(newline)
  if (end < 0) return undefined
  let line: unknown
  try {
    line = JSON.parse(content.toString('utf8', 0, end))
  } catch {
    return undefined // not JSON: not a file of ours
  }
  const envelope = envelopeSchema.safeParse(line)
  return envelope.success ? { envelope: envelope.data, message: content.subarray(end + 1) } : undefined
}

const clean = (part: string): string => part.replace(/[^A-Za-z0-9._]/g, '_').slice(0, 64) || '_'

/** @param at ms since 1970; names sort by it */
export const reportFileName = (at: number, host: string, worker: string, sequence: number): string =>
  `${String(at).padStart(13, '0')}-${clean(host)}-${clean(worker)}-${String(sequence).padStart(6, '0')}${reportSuffix}`
