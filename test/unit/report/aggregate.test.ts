import { SluiceError } from '@sluice/core/errors'
import { dmarcRows, tlsRows } from '@sluice/core/report/aggregate'
import { describe, expect, it } from 'vitest'

const record = (source_ip: string, count: string, dkim: string, spf: string) => ({
  row: { source_ip, count, policy_evaluated: { disposition: 'none', dkim, spf, reason: { type: 'forwarded' } } },
  identifiers: { header_from: 'Example.com' },
  auth_results: {
    dkim: [
      { domain: 'example.com', selector: 's1', result: 'pass' },
      { domain: 'esp.test', result: 'pass' },
    ],
    spf: { domain: 'example.com', result: 'softfail' },
  },
})

const feedback = (records: unknown) => ({
  feedback: {
    report_metadata: {
      org_name: 'Receiver',
      email: 'dmarc@receiver.test',
      report_id: '1',
      date_range: { begin: '100', end: '200' },
    },
    policy_published: { domain: 'Example.com', p: 'reject', pct: '50' },
    record: records,
  },
})

describe('dmarcRows', () => {
  it('makes a row per record, with what the report says of all of them', () => {
    expect(
      dmarcRows(feedback([record('192.0.2.1', '3', 'pass', 'fail'), record('192.0.2.2', '1', 'fail', 'fail')])),
    ).toMatchObject([
      {
        org_name: 'Receiver',
        begin: 100,
        end: 200,
        domain: 'example.com',
        policy: 'reject',
        percent: 50,
        source_ip: '192.0.2.1',
        count: 3,
        dkim: 'pass',
        spf: 'fail',
        pass: true,
        override: 'forwarded',
        header_from: 'example.com',
        dkim_domains: ['example.com s1 pass', 'esp.test  pass'],
      },
      { source_ip: '192.0.2.2', pass: false },
    ])
  })

  it('takes a single record, and none, as they come from XML', () => {
    expect(dmarcRows(feedback(record('192.0.2.1', '1', 'Pass', 'fail')))).toHaveLength(1)
    expect(dmarcRows(feedback(''))).toEqual([])
  })

  it('does not trust any value', () => {
    const rows = dmarcRows(
      feedback({ row: { source_ip: { a: 1 }, count: '-5', policy_evaluated: '' }, identifiers: [] }),
    )
    expect(rows).toMatchObject([{ source_ip: '', count: 0, dkim: 'fail', pass: false, header_from: '' }])
  })

  it.each([[undefined], [{}], [{ feedback: 'x' }], [[]], ['x']])('refuses %j', (document) => {
    expect(() => dmarcRows(document)).toThrow(SluiceError)
  })

  it('stops at the limit of records', () => {
    expect(() =>
      dmarcRows(feedback(Array.from({ length: 11 }, () => record('192.0.2.1', '1', 'pass', 'pass'))), 10),
    ).toThrow(/more than 10 records/)
  })
})

describe('tlsRows', () => {
  const report = {
    'organization-name': 'Receiver',
    'date-range': { 'start-datetime': '2026-01-01T00:00:00Z', 'end-datetime': '2026-01-01T23:59:59Z' },
    'report-id': 'r1',
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-domain': 'Example.com', 'mx-host': ['mx.example.com'] },
        summary: { 'total-successful-session-count': 10, 'total-failure-session-count': 3 },
        'failure-details': [
          { 'result-type': 'certificate-expired', 'failed-session-count': 2 },
          { 'result-type': 'starttls-not-supported', 'failed-session-count': 1 },
        ],
      },
      {
        policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'example.com' },
        summary: { 'total-successful-session-count': 5 },
      },
    ],
  }

  it('makes a row per kind of failure and counts each session once', () => {
    const rows = tlsRows(report)
    expect(
      rows.map(({ policy_type, result_type, successful, failed }) => [policy_type, result_type, successful, failed]),
    ).toEqual([
      ['sts', 'certificate-expired', 10, 3],
      ['sts', 'starttls-not-supported', 0, 0],
      ['no-policy-found', '', 5, 0],
    ])
    expect(rows[0]).toMatchObject({ begin: 1767225600, domain: 'example.com', mx_hosts: ['mx.example.com'] })
  })

  it.each([[undefined], [{}], [{ policies: 'x' }]])('refuses %j', (document) => {
    expect(() => tlsRows(document)).toThrow(SluiceError)
  })
})
