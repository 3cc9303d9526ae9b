// DMARC and TLS reports as they arrive: plain, gzip, zip, attached; and archives that mean harm.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { deflateRawSync, gzipSync } from 'node:zlib'

import { SluiceError } from '@sluice/core/errors'
import { readAggregate, readAggregateMail } from '@sluice/sidecar/report/aggregate'
import { defaultLimits } from '@sluice/sidecar/report/limits'
import { readMail } from '@sluice/sidecar/report/mime'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { multipartMail } from '../../unit/report/mails'
import { corpusFolder } from './corpus'

const xml = `<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <report_metadata><org_name>Receiver &amp; Co</org_name><email>d@receiver.test</email><report_id>r-1</report_id>
    <date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
  <policy_published><domain>example.com</domain><p>none</p></policy_published>
  <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
    <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>example.com</header_from></identifiers>
    <auth_results><spf><domain>example.com</domain><result>fail</result></spf></auth_results></record>
</feedback>`

const json = JSON.stringify({
  'organization-name': 'Receiver',
  'report-id': 't-1',
  policies: [
    {
      policy: { 'policy-type': 'sts', 'policy-domain': 'example.com' },
      summary: { 'total-successful-session-count': 4 },
    },
  ],
})

/** A zip of one file (APPNOTE 4.3); `size` is what its header claims. */
const zipOf = (name: string, content: Buffer, size = content.length): Buffer => {
  const packed = deflateRawSync(content)
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(20, 0)
  shared.writeUInt16LE(8, 4)
  shared.writeUInt32LE(checksum(content), 10)
  shared.writeUInt32LE(packed.length, 14)
  shared.writeUInt32LE(size, 18)
  shared.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), packed])
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02'),
    Buffer.from([20, 0]),
    shared,
    Buffer.alloc(14),
    Buffer.from(name),
  ])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}

const checksum = (content: Buffer): number => {
  let crc = ~0
  for (const byte of content) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1))
  }
  return ~crc >>> 0
}

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
  return 'no error'
}

describe('readAggregate', () => {
  it.each([
    ['plain', Buffer.from(xml)],
    ['gzip', gzipSync(xml)],
    ['zip', zipOf('receiver.test!example.com!1700000000!1700086399.xml', Buffer.from(xml))],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${xml}`)],
    ['UTF-16', Buffer.from(`\ufeff${xml}`, 'utf16le')],
  ])('reads a DMARC report: %s', async (_, bytes) => {
    expect(await readAggregate(bytes)).toMatchObject({
      kind: 'dmarc',
      rows: [
        {
          org_name: 'Receiver & Co',
          domain: 'example.com',
          source_ip: '192.0.2.1',
          count: 7,
          pass: true,
          begin: 1700000000,
        },
      ],
    })
  })

  it.each([
    ['plain', Buffer.from(json)],
    ['gzip', gzipSync(json)],
  ])('reads a TLS report: %s', async (_, bytes) => {
    expect(await readAggregate(bytes)).toMatchObject({
      kind: 'tlsrpt',
      rows: [{ org_name: 'Receiver', successful: 4, failed: 0 }],
    })
  })

  it('reads the report attached to a mail', async () => {
    const mail = readMail(
      multipartMail({ Subject: 'Report domain: example.com' }, 'multipart/mixed', [
        { type: 'text/plain', body: 'attached' },
        {
          type: 'application/gzip',
          headers: { 'Content-Transfer-Encoding': 'base64', 'Content-Disposition': 'attachment; filename="r.xml.gz"' },
          body: gzipSync(xml).toString('base64'),
        },
      ]),
    )
    expect((await readAggregateMail(mail)).rows).toHaveLength(1)
  })

  it.each([
    ['not a report', Buffer.from('<html><body>hello</body></html>')],
    ['broken XML', Buffer.from('<feedback><record>')],
    ['broken JSON', Buffer.from('{"policies": [')],
    ['neither', Buffer.from('hello')],
    ['broken gzip', Buffer.concat([gzipSync(xml).subarray(0, 60), Buffer.from('rubbish')])],
    ['broken zip', Buffer.from('PK\x03\x04 rubbish')],
    ['a zip without a report', zipOf('readme.txt', Buffer.from('hello'))],
  ])('refuses with a code: %s', async (_, bytes) => {
    expect(await codeOf(readAggregate(bytes))).toBe('SLUICE_REPORT_CONTENT')
  })

  const bomb = Buffer.alloc(5_000_000, 0x20)
  const tight = { ...defaultLimits, expanded_bytes: 1_000_000 }
  it.each([
    ['gzip', gzipSync(bomb)],
    ['zip', zipOf('r.xml', bomb)],
    ['plain', bomb],
  ])('stops a bomb at the limit: %s', async (_, bytes) => {
    expect(await codeOf(readAggregate(bytes, tight))).toBe('SLUICE_REPORT_LIMIT')
  })

  it('stops a zip that lies about its size', async () => {
    expect(await codeOf(readAggregate(zipOf('r.xml', bomb, 1000), tight))).toMatch(/^SLUICE_REPORT_(LIMIT|CONTENT)$/)
  })

  it('expands no entity', async () => {
    const laughs = `<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "${'&a;'.repeat(1000)}">]>${xml.replace(/<\?xml.*\?>/, '').replace('Receiver &amp; Co', '&b;')}`
    const report = await readAggregate(Buffer.from(laughs)).catch((error: unknown) => error)
    if (!(report instanceof SluiceError)) expect(JSON.stringify(report)).not.toContain('haha')
  })

  it('reads every report of the development set', async (context) => {
    const folder = corpusFolder()
    if (!folder) return context.skip()
    const row = z.object({
      file: z.string(),
      expected: z.object({
        org_name: z.string(),
        report_id: z.string(),
        total: z.number().optional(),
        dmarc_pass: z.number().optional(),
        successful: z.number().optional(),
      }),
    })
    const lines = readFileSync(path.join(folder, 'reports.dev.jsonl'), 'utf8').split('\n').filter(Boolean)
    for (const { file, expected } of lines.map((line) => row.parse(JSON.parse(line)))) {
      const raw = readFileSync(path.join(folder, file))
      const report = file.endsWith('.eml') ? await readAggregateMail(readMail(raw)) : await readAggregate(raw)
      expect(report.rows[0]).toMatchObject({ org_name: expected.org_name.trim(), report_id: expected.report_id })
      if (report.kind === 'dmarc') {
        expect(report.rows.reduce((sum, { count }) => sum + count, 0)).toBe(expected.total)
        expect(report.rows.reduce((sum, { count, pass }) => sum + (pass ? count : 0), 0)).toBe(expected.dmarc_pass)
      } else expect(report.rows.reduce((sum, { successful }) => sum + successful, 0)).toBe(expected.successful)
    }
  })
})
