// Steering as an operator and as a receiver bring it about: an override stops a source within a second and lapses by
// itself; a block list drives the source's traffic away from that provider, from no other, and lets it come back.

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'

import { runCampaign, type CampaignResult } from '@sluice/lab/campaign'
import { yamlEdit } from '@sluice/run/configuration'

import { labOf, startTestStack, type TestStack } from '../harness/stack'

let one: TestStack
let campaign: Promise<CampaignResult>
const ending = new AbortController()
const perSecond = 80

beforeAll(async () => {
  const score = (key: string, value: number) => yamlEdit('sidecar.yaml', ['score', key], value)
  one = await startTestStack({
    edits: [
      score('interval_s', 0.5),
      score('half_life_s', 6),
      score('double_s', 2),
      score('halve_s', 1),
      // Nothing but the choice is to be seen here.
      yamlEdit('shaping.yaml', ['defaults', 'connection_limit'], 20),
    ],
  })
  for (const provider of ['goggle', 'yonder']) {
    await labOf(one).change(provider, { behaviour: { unknown_users: null, full_mailboxes: null, message_rate: null } })
  }
  campaign = runCampaign({
    host: '127.0.0.1',
    port: one.stack.smtpPort,
    messages: 1_000_000,
    rate: perSecond,
    seed: 'steering',
    streams: [{ stream: 'marketing', tenant: 'shop', campaign: 'sale', from: 'news@shop.test' }],
    domains: { 'goggle.test': 1, 'yonder.test': 1 },
    signal: ending.signal,
  })
})
afterAll(async () => {
  ending.abort()
  await campaign
  await one.end()
})

const shareSchema = z.object({ attempts: z.coerce.number(), share: z.coerce.number() })

/** What part of the attempts at a provider left by mk-2 between two moments (ms since 1970). */
const shareOf = async (provider: string, from: number, to: number) => {
  const rows = await one.api.sql(
    `SELECT count() AS attempts, countIf(source = 'mk-2') / greatest(1, count()) AS share
     FROM outcomes
     WHERE provider = '${provider}' AND kind IN ('delivered', 'deferred', 'bounced')
       AND at >= fromUnixTimestamp64Milli(${from}) AND at < fromUnixTimestamp64Milli(${to})`,
    shareSchema,
  )
  return rows[0] ?? { attempts: 0, share: 0 }
}

/** Waits until ClickHouse has what happened before a moment, then tells the share up to it. */
const shareUntil = async (provider: string, from: number, to: number) => {
  await vi.waitUntil(async () => (await shareOf(provider, to + 1500, to + 60_000)).attempts > 0, {
    timeout: 30_000,
    interval: 250,
  })
  return shareOf(provider, from, to)
}

/** Waits until the last `ms` show what is hoped for; answers when that was. */
const untilShare = async (provider: string, ms: number, hoped: (share: number) => boolean, timeout: number) => {
  await vi.waitFor(
    async () => {
      const now = Date.now()
      const { attempts, share } = await shareOf(provider, now - ms, now)
      expect(attempts).toBeGreaterThan(20)
      expect(hoped(share), `share of mk-2 at ${provider}: ${share}`).toBe(true)
    },
    { timeout, interval: 250 },
  )
  return Date.now()
}

describe('steering', () => {
  test('an override of a source to 0 moves all traffic within a second, and its expiry moves it back', async () => {
    await untilShare('goggle', 3000, (share) => share > 0.2, 20_000)
    const asked = Date.now()
    const seconds = 5
    await one.api.ask('POST', '/v1/overrides', {
      pool: 'marketing',
      source: 'mk-2',
      weight: 0,
      author: 'test',
      reason: 'steering test',
      expires_in_s: seconds,
    })
    const ends = asked + seconds * 1000
    const silent = await shareUntil('goggle', asked + 1000, ends)
    expect(silent.attempts).toBeGreaterThan(50)
    expect(silent.share).toBe(0)
    expect((await shareUntil('yonder', asked + 1000, ends)).share).toBe(0)
    const back = await shareUntil('goggle', ends + 1000, ends + 4000)
    expect(back.share).toBeGreaterThan(0.15)
  })

  test('a listed source loses its traffic to that provider, keeps it elsewhere, and gets it back afterwards', async () => {
    const lab = labOf(one)
    const begin = Date.now()
    const base = (await shareUntil('goggle', begin - 2000, begin)).share
    await lab.block('goggle', '127.1.1.2')
    const gone = await untilShare('goggle', 3000, (share) => share <= base / 10, 30_000)
    expect((await shareOf('yonder', gone - 5000, gone)).share).toBeGreaterThan(0.2)
    await lab.unblock('goggle', '127.1.1.2')
    await untilShare('goggle', 3000, (share) => share >= base / 2, 60_000)
  })
})
