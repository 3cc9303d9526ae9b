import { describe, expect, it } from 'vitest'

import { readShaping } from '@sluice/core/config/shaping'
import { compileCatalogue } from '@sluice/core/provider/catalogue'

const catalogue = compileCatalogue(
  readShaping(
    'shaping.yaml',
    `providers:
  google: { mx: [.google.com, .googlemail.com], domains: [gmail.com] }
  acme: { mx: [mx.acme.example], domains: [.acme.example] }`,
  ),
)

describe('MX rollup', () => {
  it('finds the provider of a company domain by its MX hosts', () => {
    const hosts = ['ASPMX.L.GOOGLE.COM.', 'alt1.aspmx.l.google.com']
    expect(catalogue.rollUp('company.example', hosts)).toEqual({ provider: 'google', site: 'aspmx.l.google.com' })
  })

  it('matches whole labels only', () => {
    expect(catalogue.rollUp('x.example', ['mx.notgoogle.com']).provider).toBe('notgoogle.com')
  })

  it('lets the preferred host decide', () => {
    expect(catalogue.rollUp('x.example', ['mx.acme.example', 'backup.google.com']).provider).toBe('acme')
    expect(catalogue.rollUp('x.example', ['gate.own.example', 'backup.google.com']).provider).toBe('own.example')
  })

  it('groups domains of no known provider by what their MX hosts have in common', () => {
    const one = catalogue.rollUp('a.example', ['mx1.eu.hoster.example', 'mx2.eu.hoster.example'])
    const two = catalogue.rollUp('b.example', ['mx2.eu.hoster.example', 'mx1.eu.hoster.example'])
    expect(one).toEqual({ provider: 'eu.hoster.example', site: 'eu.hoster.example' })
    expect(two).toEqual(one)
  })

  it('falls back to the domain itself where there is no MX', () => {
    expect(catalogue.rollUp('Lonely.Example.', [])).toEqual({ provider: 'lonely.example', site: 'lonely.example' })
  })

  it('knows well-known recipient domains before any look-up', () => {
    expect(catalogue.byDomain('gmail.com')).toBe('google')
    expect(catalogue.byDomain('mail.acme.example')).toBe('acme')
    expect(catalogue.byDomain('other.example')).toBeUndefined()
  })
})
