// Domains that take no mail, or whose DNS is in trouble: bounced or deferred as they deserve, with the fault told
// apart in the records; and the connection limit as the receiver counts it, over workers.

import { expect, test } from 'vitest'

import { startSluice } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx:
      - { host: mx1.one.test, address: 127.34.1.1, preference: 5, down: true }
      - { host: mx2.one.test, address: 127.34.1.2, preference: 10 }
    service: { starttls: false }
    latency: { dot: 20 }
domains:
  null.test: { dns: null_mx }
  empty.test: { dns: no_address }
  broken.test: { dns: servfail }
  hosted.test: { provider: one }
`
const egress = `
sources:
  a: { ip: 127.34.9.1, ehlo: a.sender.test }
pools:
  main: { a: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`

test.each([
  ['null.test', 'bounced', '5.1.10', /null MX/],
  ['nowhere.test', 'bounced', '5.1.2', /NXDOMAIN/],
  ['empty.test', 'bounced', '5.1.2', /NXDOMAIN|NODATA/],
  ['broken.test', 'deferred', '4.4.3', /SERVFAIL|TIMEOUT/],
] as const)('mail for %s is %s (%s)', async (domain, kind, enhanced, reply) => {
  const stack = await startSluice({ internet, egress })
  await submit(stack.haraka.port, { from: '', to: `user@${domain}` })
  const [record] = await stack.recorded(kind, 1)
  expect(record).toMatchObject({ kind, enhanced, phase: 'dns', code: 0, recipient_domain: domain, attempt: 1 })
  expect(record?.reply).toMatch(reply)
})

test('a literal address needs no DNS', async () => {
  const stack = await startSluice({ internet, egress })
  await submit(stack.haraka.port, { to: 'user@[127.34.1.2]' })
  const [record] = await stack.recorded('delivered', 1)
  expect(record).toMatchObject({ remote_ip: '127.34.1.2', source: 'a' })
})

test('an MX host that is down is recorded as tried, and the next one gets the mail', async () => {
  const stack = await startSluice({ internet, egress })
  await submit(stack.haraka.port, { to: 'user@hosted.test' })
  const [delivered] = await stack.recorded('delivered', 1)
  expect(delivered).toMatchObject({ mx_host: 'mx2.one.test', remote_ip: '127.34.1.2', site: 'one.test' })
  const [tried] = await stack.recorded('tried', 1)
  expect(tried).toMatchObject({ mx_host: 'mx1.one.test', phase: 'connect', code: 0, source: 'a' })
  expect(tried?.attempt_id).toBe(delivered?.attempt_id)
  expect(tried?.reply).toContain('ECONNREFUSED')
})

test.each([0, 2])('a connection limit of 3 never shows 4 at the receiver (%i worker processes)', async (nodes) => {
  const stack = await startSluice({ internet, egress, nodes, limits: 'connection_limit: 3' })
  const count = 90
  await Promise.all(Array.from({ length: count }, (_, n) => submit(stack.haraka.port, { to: `user${n}@one.test` })))
  const delivered = await stack.recorded('delivered', count, 40_000)
  expect(new Set(delivered.map((one) => one.recipient)).size).toBe(count)
  expect(stack.lab.truth.attendance.of('one', '127.34.9.1')).toMatchObject({ high_water: 3 })
  if (nodes > 0) expect(new Set(delivered.map((one) => one.worker)).size).toBe(nodes)
})
