import { describe, expect, it } from 'vitest'

import { showMessage, showScores, showSql, showWeights } from '@sluice/sidecar/cli/show'

const at = Date.parse('2026-11-21T12:00:00Z')
const factors = { base: 3, reputation: 1 }
const term = { id: 'o-1', source: 'a', author: 'anna', reason: 'listed', since: at }

describe('what the command line shows', () => {
  it('of weights: share and the reason', () => {
    const text = showWeights({
      version: 7,
      at,
      stale: true,
      lanes: [
        {
          pool: 'main',
          provider: 'google',
          until: null,
          weights: [
            { source: 'a', weight: 0, share: 0, factors, suspension: term },
            { source: 'b', weight: 0.5, share: 0.25, factors, override: { ...term, weight: 0.5, until: at } },
            { source: 'c', weight: 1.5, share: 0.75, factors: { base: 3, reputation: 0.5 } },
          ],
        },
      ],
    })
    expect(text.split('\n').map((line) => line.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---'))).toEqual([
      'routing version 7 of 2026-11-21 12:00:00 (Redis is away: last known)',
      '',
      'pool provider source base weight share why',
      '--- --- --- --- --- --- ---',
      'main google a 3 0 0.0 % suspended by anna: listed',
      'main google b 3 0.5 25.0 % override by anna: listed (until 2026-11-21 12:00:00)',
      'main google c 3 1.5 75.0 % reputation 0.500',
    ])
  })

  it('of a message: what happened and what each choice was made from', () => {
    const outcome = {
      at,
      kind: 'deferred',
      recipient: 'bert@example.com',
      provider: 'google',
      pool: 'main',
      source: 'a',
      mx_host: 'mx1.example.com',
      code: 421,
      enhanced: '4.7.28',
      class: 'rate_limited',
      blame: 'ip',
      reply: '421 4.7.28 slow down\n421 see you',
      attempt: 1,
      propensity: 0.75,
      routing_version: 0,
      stream: 'bulk',
    }
    const choice = { pool: 'main', provider: 'google', published_at: at, published_by: 'x', published_because: 'score' }
    const text = showMessage({
      id: 'm1',
      outcomes: [outcome, { ...outcome, kind: 'delivered', attempt: 2, propensity: 0, reply: '250 ok' }],
      choices: [
        { ...choice, routing_version: 0, known: true, weights: [{ source: 'a', weight: 3, share: 1, factors }] },
        { ...choice, routing_version: 9, known: false, weights: [] },
      ],
    })
    expect(text).toContain(
      'deferred   bert@example.com  a   mx1.example.com  75.0 %  rate_limited  421 4.7.28 slow down\n',
    )
    expect(text).toContain('choice in pool main towards google, routing version 0 (base weights)')
    expect(text).toContain('choice in pool main towards google, routing version 9: no longer kept')
  })

  it('of scores and SQL: nothing is nothing', () => {
    expect(showScores({ at: 0, scores: [] })).toBe('not scored yet\n\n(none)')
    expect(showSql({ columns: [{ name: 'n', type: 'UInt8' }], rows: [[[1, null]]] })).toBe('n\n--------\n[1,null]')
  })
})
