// The domains a message is known by: of the From header and of the signature, whatever else the headers hold.

import { describe, expect, test } from 'vitest'

import { fromDomain, signatureDomain } from '../../../plugins/stream/domains'

describe('domain of the From header', () => {
  test.each([
    ['News <news@Shop.Example>', 'shop.example'],
    ['news@shop.example', 'shop.example'],
    ['"Sale @ other.example" <news@shop.example>', 'shop.example'],
    ['"a <x@other.example>" <news@shop.example>', 'shop.example'],
    ['news@shop.example (via <x@other.example>)', 'shop.example'],
    ['first@one.example, second@two.example', 'one.example'],
    ['Münze <post@münze.example>', 'münze.example'],
  ])('%s', (header, domain) => {
    expect(fromDomain(header)).toBe(domain)
  })

  test.each(['', 'nobody', '<>', 'x@', `x@${'a'.repeat(300)}`, '"'.repeat(100_000), 'a@b|c{d}'])(
    'none in %.20s',
    (header) => {
      expect(fromDomain(header)).toBeUndefined()
    },
  )
})

describe('domain of the signature', () => {
  const signed = (domain: string) => `v=1; a=rsa-sha256; d=${domain};\r\n s=one; h=from; bh=x; b=y`

  test('the one aligned with the From domain, wherever it stands', () => {
    expect(signatureDomain([signed('shop.example'), signed('esp.example')], 'mail.shop.example')).toBe('shop.example')
  })

  test('else the one added last', () => {
    expect(signatureDomain([signed('a.example'), signed('ESP.example')], 'shop.example')).toBe('esp.example')
  })

  test('none where nobody signed', () => {
    expect(signatureDomain([], 'shop.example')).toBeUndefined()
    expect(signatureDomain(['v=1; bh=d=x'], undefined)).toBeUndefined()
  })
})
