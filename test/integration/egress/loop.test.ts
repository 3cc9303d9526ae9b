// Mail leaves a real Haraka by the chosen source, and what happens to it is recorded.

import { expect, test } from 'vitest'

import { startSluice } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.31.1.1 }]
    service: { starttls: false }
`

const egress = `
sources:
  a: { ip: 127.31.9.1, ehlo: a.sender.test }
  b: { ip: 127.31.9.2, ehlo: b.sender.test }
pools:
  main: { a: 3, b: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`

test('each message leaves by a source of the pool, with its address and its name', async () => {
  const { lab, haraka, recorded } = await startSluice({ internet, egress })
  await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      submit(haraka.port, {
        to: `user${n}@one.test`,
        headers: { 'X-Sluice-Tenant': 'acme', 'X-Sluice-Campaign': 'may' },
      }),
    ),
  )
  const delivered = await recorded('delivered', 40)
  expect(delivered).toHaveLength(40)
  const accepted = await recorded('accepted', 40)
  expect(new Set(accepted.map((one) => one.message_id))).toEqual(new Set(delivered.map((one) => one.message_id)))

  const names: Record<string, string> = { '127.31.9.1': 'a', '127.31.9.2': 'b' }
  const facts = lab.truth.recipients()
  expect(facts).toHaveLength(40)
  for (const fact of facts) {
    const record = delivered.find((one) => one.recipient === fact.rcpt)
    expect(record).toMatchObject({
      source: names[fact.client_ip],
      source_ip: fact.client_ip,
      propensity: names[fact.client_ip] === 'a' ? 0.75 : 0.25,
      pool: 'main',
      stream: 'bulk',
      tenant: 'acme',
      campaign: 'may',
      provider: 'one.test',
      mx_host: 'mx.one.test',
      remote_ip: '127.31.1.1',
      code: 250,
      class: 'delivered',
      attempt: 1,
    })
    expect(fact.ehlo).toBe(`${record?.source}.sender.test`)
  }
})
