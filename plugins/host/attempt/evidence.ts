// Evidence where the client of this package did not deliver (LMTP, an unknown Haraka): read from what Haraka notes on
// the recipients. Thin, but never stale: the notes are wiped when an attempt begins.

import type { Evidence, NoRoute } from '../contract'
import type { HarakaItem, HarakaMx, HarakaRecipient } from '../haraka'

export const noEvidence: Evidence = {
  mx_host: '',
  remote_ip: '',
  port: 0,
  local_ip: '',
  phase: 'queue',
  code: 0,
  enhanced: '',
  lines: [],
  tls: '',
  connect_ms: 0,
  tls_ms: 0,
  first_reply_ms: 0,
  total_ms: 0,
  connection_use: 0,
}

/** Nobody was asked. */
export const evidenceOfNoRoute = ({ kind, enhanced, detail }: NoRoute): Evidence => ({
  ...noEvidence,
  phase: kind === 'unreachable' ? 'queue' : 'dns',
  enhanced,
  lines: [detail],
})

/** Haraka never clears these between attempts, so a refusal of last week would be told as today's. */
export const wipeNotes = (hmail: HarakaItem): void => {
  for (const recipient of hmail.todo.rcpt_to) {
    delete recipient.reason
    delete recipient.dsn_action
    delete recipient.dsn_status
    delete recipient.dsn_code
    delete recipient.dsn_msg
    delete recipient.dsn_remote_mta
    delete recipient.dsn_smtp_code
    delete recipient.dsn_smtp_extc
    delete recipient.dsn_smtp_response
  }
}

export const evidenceOfDelivery = (
  [host, ip, response, , port]: readonly [string, string, string, number, number | string],
  started: number,
  now: number,
): Evidence => ({
  ...noEvidence,
  mx_host: host,
  remote_ip: ip,
  port: Number(port),
  phase: 'dot',
  code: 250,
  lines: [response],
  total_ms: now - started,
})

/** @param said the reason Haraka gives where there was no reply */
export const evidenceOfFailure = (
  recipient: HarakaRecipient,
  mx: HarakaMx | undefined,
  said: string,
  started: number,
  now: number,
): Evidence => {
  const { dsn_smtp_code: code, dsn_smtp_extc: enhanced, dsn_smtp_response: text } = recipient
  return {
    ...noEvidence,
    mx_host: mx?.from_dns ?? mx?.exchange ?? recipient.dsn_remote_mta ?? '',
    remote_ip: mx?.exchange ?? recipient.dsn_remote_mta ?? '',
    port: mx?.port ?? 0,
    local_ip: mx?.bind ?? '',
    phase: code ? 'rcpt' : 'connect',
    code: code ? Number(code) : 0,
    enhanced: enhanced ?? '',
    lines: [code ? [code, enhanced, text].filter(Boolean).join(' ') : said],
    total_ms: now - started,
  }
}
