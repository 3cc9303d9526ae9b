// What shaping.yaml names must be there: a misspelt provider, source or stream is said with its line and key.

import { readEgress } from '@sluice/core/config/egress'
import { readShaping, readShapingDocument } from '@sluice/core/config/shaping'
import { checkNames } from '@sluice/core/shaping/names'
import { expect, test } from 'vitest'

const shipped = readShaping('shipped.yaml', 'providers: { google: { mx: [.google.com] } }')
const egress = readEgress(
  'egress.yaml',
  `
sources: { mta-1: { ip: 192.0.2.1, ehlo: mta-1.test } }
pools: { main: { mta-1: 1 } }
streams: { news: { pool: main } }
default_stream: news
`,
)

const complaintsOf = (text: string, known?: typeof egress) =>
  checkNames(readShapingDocument('shaping.yaml', text), shipped, known).map(
    ({ line, key, message }) => `${line} ${key}: ${message.split(',')[0]}`,
  )

test('names that exist, and providers with hosts or domains of their own, are good', () => {
  const good = `
providers:
  google: { connection_limit: 1, sources: { mta-1: { connection_limit: 1 } } }
  acme: { mx: [.mail.acme.example] }
  small: { domains: [small.example] }
sources: { mta-1: { connection_limit: 3 } }
streams: { news: { weight: 2 } }
`
  expect(complaintsOf(good, egress)).toEqual([])
})

test('a provider that is neither shipped nor to be found, a source and a stream that nobody has', () => {
  const bad = `providers:
  gogle: { connection_limit: 1 }
  google:
    sources:
      mta-9: { connection_limit: 1 }
sources:
  mta-8: { connection_limit: 1 }
streams:
  nws: { weight: 2 }
`
  expect(complaintsOf(bad, egress)).toEqual([
    '2 providers.gogle: no provider gogle is shipped',
    '7 sources.mta-8: no source is named mta-8',
    '5 providers.google.sources.mta-9: no source is named mta-9',
    '9 streams.nws: no stream is named nws',
  ])
})

test('without egress.yaml only providers are looked at', () => {
  expect(complaintsOf('sources: { mta-8: { connection_limit: 1 } }')).toEqual([])
})
