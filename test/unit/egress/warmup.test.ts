// What a worker makes of the warm-up document while Redis is away: nothing of what it does not know, its share of what
// was left of what it knows.
import { readEgress } from '@sluice/core/config/egress'
import { readShaping } from '@sluice/core/config/shaping'
import { redisKeys } from '@sluice/core/redis/keys'
import { day, hour, minute } from '@sluice/core/shaping/rate'
import { dayOf } from '@sluice/core/warmup/allowance'
import type { WarmupDocument } from '@sluice/core/warmup/document'
import { startWarmup } from '@sluice/core/warmup/state'
import { expect, test } from 'vitest'

import { RedisLink } from '../../../plugins/egress/redis/link'
import { WarmupBoard } from '../../../plugins/egress/warmup/board'
import { SharedCount } from '../../../plugins/egress/warmup/shared-count'

const plan = {
  id: 'p',
  label: 'p',
  source: 'test',
  scope: 'lane' as const,
  stages: [100, 1000],
  gate: { enough: 0.75, z: 1.28, throttled: 0.1, blocked: 0.01, complained: 0.003, memory: 7 },
  idle: { grace_days: 14, stages_per_week: 3, restart_days: 30 },
  spread_hours: 10,
}
const begin = 20_000 * day
const noon = begin + 5 * day + 12 * hour
const document = (...providers: string[]): WarmupDocument => ({
  version: 1,
  at: begin,
  by: 'test',
  plans: { p: plan },
  warmups: providers.map((provider) => ({
    source: 'a',
    provider,
    overflow: 'pool',
    origin: 'configured',
    since: begin,
    state: startWarmup(plan, begin, dayOf(begin)),
  })),
})
const egress = readEgress(
  'egress.yaml',
  `
sources: { a: { ip: 192.0.2.1, ehlo: a.test } }
pools: { main: { a: 1 } }
streams: { news: { pool: main }, receipts: { pool: main }, cold: { pool: main } }
default_stream: news
`,
)
const shaping = readShaping(
  'shaping.yaml',
  "streams: { receipts: { liking: 90 }, cold: { liking: 10 } }\nwarmup: [{ source: a, plan: p, providers: { google: 1, '*': 1 } }]\n",
)
const boardWith = (...providers: string[]): WarmupBoard => {
  const board = new WarmupBoard()
  board.configure(shaping, egress)
  if (providers.length > 0) board.use(document(...providers))
  return board
}
const ruleOf = (board: WarmupBoard, provider: string, stream: string) => {
  const governing = board.governing('a', provider)
  return governing && board.ruleOf(governing, stream, noon)
}

test('what is configured and not known may send nothing', () => {
  const board = boardWith()
  expect(board.unknown).toEqual(['a towards google', 'a towards *'])
  expect(ruleOf(board, 'google', 'news')).toMatchObject({ limit: 0, counter: 'google' })
  expect(board.governing('b', 'google')).toBeUndefined()
})

test("a provider's own warm-up goes before that of the others, and the best-liked stream may use all of it", () => {
  const board = boardWith('google', '*')
  expect(board.unknown).toEqual([])
  expect(ruleOf(board, 'google', 'receipts')).toMatchObject({ limit: 100, counter: 'google', day: dayOf(noon) })
  expect(ruleOf(board, 'yahoo', 'receipts')?.counter).toBe('*')
  expect(['receipts', 'news', 'cold', 'unheard of'].map((stream) => ruleOf(board, 'google', stream)?.limit)).toEqual([
    100, 92, 85, 100,
  ])
  const governing = board.governing('a', 'google')
  expect(governing && board.leastLimit(governing, noon)).toBe(85)
})

test('while Redis is away a worker has its share of what was left, at its share of the pace', async () => {
  const quiet = { notice: () => undefined, error: () => undefined }
  let now = noon
  const link = new RedisLink({ url: 'redis://127.0.0.1:1' }, quiet)
  const shared = new SharedCount({
    link,
    keys: redisKeys(),
    workers: () => 4,
    usedBefore: () => 60,
    now: () => now,
  })
  const rule = ruleOf(boardWith('*'), 'yahoo', 'receipts')
  if (!rule) throw new Error('no rule')
  // It begins as if a message had just gone.
  expect(await shared.take('a', rule, 1)).toMatchObject({ taken: 0 })
  let taken = 0
  for (let passed = 0; passed < 11 * hour; passed += 5 * minute) {
    now = noon + passed
    taken += (await shared.take('a', rule, 1)).taken
  }
  expect(taken).toBe(10)
  expect(await shared.take('a', rule, 1)).toMatchObject({ taken: 0, wait_ms: Infinity })
  shared.giveBack('a', rule, 1)
  expect(await shared.take('a', rule, 2)).toMatchObject({ taken: 1 })
  link.close()
})
