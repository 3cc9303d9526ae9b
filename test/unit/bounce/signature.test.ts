import { signatureOf } from '@sluice/core/bounce/signature'
import { describe, expect, it } from 'vitest'

const signature = (text: string) => signatureOf({ code: Number(text.slice(0, 3)), text })

describe('signatureOf', () => {
  it('groups replies that differ in addresses, ids, hosts, numbers and URLs', () => {
    const of = (user: string, ip: string, id: string) =>
      signature(
        `550 5.7.1 <${user}@example.com>: client [${ip}] refused by mx${id.length}.example.net, see https://x.test/?id=${id} ${id} - gsmtp`,
      )
    expect(of('bob', '192.0.2.1', 'a1b2c3d4e5f6')).toBe(of('alice.smith', '198.51.100.77', 'f00ba4d17e99'))
  })

  it('reads well', () => {
    expect(signature('550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown')).toBe(
      '550 5.1.1 <@>: recipient address rejected: user unknown',
    )
  })

  it('keeps the codes that providers print on purpose', () => {
    expect(signature('421 4.7.0 [TSS04] Messages from 192.0.2.1 deferred')).toBe(
      '421 4.7.0 [tss04] messages from # deferred',
    )
    expect(signature('421 Service refused. OFR005_505 [505]')).toContain('ofr005_505')
  })

  it('keeps different refusals apart', () => {
    expect(signature('550 5.1.1 User unknown')).not.toBe(signature('550 5.2.1 User unknown'))
  })

  it('is bounded', () => {
    expect(signature(`550 ${'word '.repeat(5000)}`).length).toBeLessThanOrEqual(300)
  })
})
