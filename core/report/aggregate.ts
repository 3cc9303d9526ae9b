// Rows of the two aggregate reports: DMARC (RFC 7489, RFC 9990) and SMTP TLS (RFC 8460). Input is what an XML or JSON
// reader made of them, so nothing is trusted: every field is checked, counts are bounded, text is cut.

import { z } from 'zod'

import { SluiceError } from '../errors'

/** One record of a DMARC aggregate report: a source IP and what became of its messages. */
export interface DmarcRow {
  readonly org_name: string
  readonly org_email: string
  readonly report_id: string
  /** Seconds since 1970. */
  readonly begin: number
  readonly end: number
  /** Domain of the published policy. */
  readonly domain: string
  readonly policy: string
  readonly subdomain_policy: string
  readonly percent: number
  readonly source_ip: string
  readonly count: number
  readonly disposition: string
  /** Aligned results, as the receiver evaluated the policy. */
  readonly dkim: 'pass' | 'fail'
  readonly spf: 'pass' | 'fail'
  /** DMARC passes where one of the two does. */
  readonly pass: boolean
  readonly override: string
  readonly header_from: string
  readonly envelope_from: string
  readonly envelope_to: string
  /** Raw results: `domain selector result`. */
  readonly dkim_domains: readonly string[]
  readonly spf_domains: readonly string[]
}

/** One policy of a TLS report, and one row per kind of failure (with none: a single row). */
export interface TlsRow {
  readonly org_name: string
  readonly contact: string
  readonly report_id: string
  /** Seconds since 1970. */
  readonly begin: number
  readonly end: number
  readonly domain: string
  readonly policy_type: string
  readonly mx_hosts: readonly string[]
  /** Sessions under this policy; on the first row of the policy only, else 0. */
  readonly successful: number
  readonly failed: number
  readonly result_type: string
  readonly sending_ip: string
  readonly receiving_mx: string
  readonly receiving_ip: string
  readonly failure_sessions: number
  readonly failure_reason: string
}

const maxText = 1000
const text = z
  .unknown()
  .optional()
  .transform((value) =>
    typeof value === 'string' || typeof value === 'number' ? String(value).trim().slice(0, maxText) : '',
  )
const count = z.coerce.number().int().nonnegative().max(1e12).catch(0)
const many = <T extends z.ZodType>(item: T) =>
  z
    .unknown()
    .optional()
    .transform((value) => listOf(value))
    .pipe(z.array(item))
const group = <T extends z.ZodRawShape>(shape: T) =>
  z
    .unknown()
    .optional()
    .transform((value) => (isObject(value) ? value : {}))
    .pipe(z.object(shape))
/** A repeated element comes as an array, a single one as itself, an empty one as an empty string. */
const listOf = (value: unknown): unknown[] => {
  if (value === undefined || value === null || value === '') return []
  return Array.isArray(value) ? (value as unknown[]) : [value]
}
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const passOrFail = text.transform((value): 'pass' | 'fail' => (value.toLowerCase() === 'pass' ? 'pass' : 'fail'))

const dmarcRecord = group({
  row: group({
    source_ip: text,
    count,
    policy_evaluated: group({
      disposition: text,
      dkim: passOrFail,
      spf: passOrFail,
      reason: many(group({ type: text })),
    }),
  }),
  identifiers: group({ header_from: text, envelope_from: text, envelope_to: text }),
  auth_results: group({
    dkim: many(group({ domain: text, selector: text, result: text })),
    spf: many(group({ domain: text, result: text })),
  }),
})

const dmarcSchema = z.object({
  feedback: z.object({
    report_metadata: group({
      org_name: text,
      email: text,
      report_id: text,
      date_range: group({ begin: count, end: count }),
    }),
    policy_published: many(
      group({ domain: text, p: text, sp: text, pct: z.coerce.number().min(0).max(100).catch(100) }),
    ),
    record: many(dmarcRecord),
  }),
})

/**
 * @param document the XML as an object: elements by name, repeated ones as arrays
 * @throws SluiceError SLUICE_REPORT_CONTENT where it is no aggregate report
 */
export const dmarcRows = (document: unknown, maxRecords = 200_000): DmarcRow[] => {
  const checked = dmarcSchema.safeParse(document)
  if (!checked.success) throw content('DMARC aggregate report', checked.error)
  const { report_metadata: meta, policy_published, record } = checked.data.feedback
  if (record.length > maxRecords) {
    throw new SluiceError('SLUICE_REPORT_LIMIT', `a report has more than ${maxRecords} records`)
  }
  const policy = policy_published[0]
  const shared = {
    org_name: meta.org_name,
    org_email: meta.email,
    report_id: meta.report_id,
    begin: meta.date_range.begin,
    end: meta.date_range.end,
    domain: policy?.domain.toLowerCase() ?? '',
    policy: policy?.p ?? '',
    subdomain_policy: policy?.sp ?? '',
    percent: policy?.pct ?? 100,
  }
  return record.map(({ row, identifiers, auth_results }) => ({
    ...shared,
    source_ip: row.source_ip,
    count: row.count,
    disposition: row.policy_evaluated.disposition.toLowerCase(),
    dkim: row.policy_evaluated.dkim,
    spf: row.policy_evaluated.spf,
    pass: row.policy_evaluated.dkim === 'pass' || row.policy_evaluated.spf === 'pass',
    override: row.policy_evaluated.reason.map(({ type }) => type).join(','),
    header_from: identifiers.header_from.toLowerCase(),
    envelope_from: identifiers.envelope_from.toLowerCase(),
    envelope_to: identifiers.envelope_to.toLowerCase(),
    dkim_domains: auth_results.dkim.map(({ domain, selector, result }) => `${domain} ${selector} ${result}`),
    spf_domains: auth_results.spf.map(({ domain, result }) => `${domain} ${result}`),
  }))
}

const moment = z.string().transform((value) => Math.max(0, Math.floor(Date.parse(value) / 1000)) || 0)

const tlsPolicy = group({
  policy: group({
    'policy-type': text,
    'policy-domain': text,
    'mx-host': many(z.union([text, group({ 'mx-host': text }).transform((each) => each['mx-host'])])),
  }),
  summary: group({ 'total-successful-session-count': count, 'total-failure-session-count': count }),
  'failure-details': many(
    group({
      'result-type': text,
      'sending-mta-ip': text,
      'receiving-mx-hostname': text,
      'receiving-ip': text,
      'failed-session-count': count,
      'failure-reason-code': text,
    }),
  ),
})

const tlsSchema = z.object({
  'organization-name': text,
  'contact-info': text,
  'report-id': text,
  'date-range': group({ 'start-datetime': moment.catch(0), 'end-datetime': moment.catch(0) }),
  policies: z.array(z.unknown()).max(10_000).pipe(z.array(tlsPolicy)),
})

/** @throws SluiceError SLUICE_REPORT_CONTENT where the document is no TLS report */
export const tlsRows = (document: unknown): TlsRow[] => {
  const checked = tlsSchema.safeParse(document)
  if (!checked.success) throw content('TLS report', checked.error)
  const report = checked.data
  return report.policies.flatMap(({ policy, summary, 'failure-details': failures }) => {
    const shared = {
      org_name: report['organization-name'],
      contact: report['contact-info'],
      report_id: report['report-id'],
      begin: report['date-range']['start-datetime'],
      end: report['date-range']['end-datetime'],
      domain: policy['policy-domain'].toLowerCase(),
      policy_type: policy['policy-type'],
      mx_hosts: policy['mx-host'],
    }
    const kinds = failures.length > 0 ? failures : [undefined]
    return kinds.map((failure, index) => ({
      ...shared,
      successful: index === 0 ? summary['total-successful-session-count'] : 0,
      failed: index === 0 ? summary['total-failure-session-count'] : 0,
      result_type: failure?.['result-type'] ?? '',
      sending_ip: failure?.['sending-mta-ip'] ?? '',
      receiving_mx: failure?.['receiving-mx-hostname'] ?? '',
      receiving_ip: failure?.['receiving-ip'] ?? '',
      failure_sessions: failure?.['failed-session-count'] ?? 0,
      failure_reason: failure?.['failure-reason-code'] ?? '',
    }))
  })
}

const content = (what: string, error: z.ZodError): SluiceError => {
  const [issue] = error.issues
  return new SluiceError(
    'SLUICE_REPORT_CONTENT',
    `not a ${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  )
}
