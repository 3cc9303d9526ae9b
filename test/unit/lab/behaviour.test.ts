// Every behaviour alone, with time as an argument.

import { blockList } from '@sluice/lab/behaviour/block-list'
import { connectionLimit } from '@sluice/lab/behaviour/connection-limit'
import { content } from '@sluice/lab/behaviour/content'
import { greylist } from '@sluice/lab/behaviour/greylist'
import { latencyOf, latencySchema } from '@sluice/lab/behaviour/latency'
import { messagesPerConnection, recipientsPerMessage, requireTls } from '@sluice/lab/behaviour/limits'
import { fullMailboxes, unknownUsers } from '@sluice/lab/behaviour/mailbox'
import { connectionRate, messageRate } from '@sluice/lab/behaviour/rate'
import { disruptionsByChance, failures } from '@sluice/lab/behaviour/trouble'
import { describe, expect, test } from 'vitest'

import { ask, situation, surroundings, told } from './situation'

const message = (text: string) => ({ size: text.length, begin: Buffer.from(text) })

describe('connection limit', () => {
  const limit = connectionLimit.create({ max: 2 }, surroundings())

  test('admits max connections and refuses the next with 421', () => {
    expect(ask(limit, 'banner', { open: 2 })).toBe('pass')
    expect(ask(limit, 'banner', { open: 3 })).toBe('421 4.7.0 mx.one.test Error: too many connections from 127.0.0.5')
  })
})

describe('rates', () => {
  test('a message rate holds in every window, per client, and what is refused does not count', () => {
    const rate = messageRate.create(
      {
        windows: [
          { max: 2, per_s: 1 },
          { max: 3, per_s: 60, reply: '421 4.7.0 minute' },
        ],
      },
      surroundings(),
    )
    const at = (now: number, ip = '127.0.0.5') => ask(rate, 'mail', { now, ip })
    expect([at(0), at(10)]).toEqual(['pass', 'pass'])
    expect(at(20)).toBe('450 4.7.1 Error: too much mail from 127.0.0.5')
    expect(at(20, '127.0.0.6')).toBe('pass')
    expect(at(1000)).toBe('pass')
    expect(at(2500)).toBe('421 4.7.0 minute')
    expect(at(59_999)).toBe('421 4.7.0 minute')
    expect(at(60_000)).toBe('pass')
  })

  test('a connection rate refuses at the banner', () => {
    const rate = connectionRate.create({ windows: [{ max: 1, per_s: 10 }] }, surroundings())
    expect(rate.stages).toEqual(['banner'])
    expect(ask(rate, 'banner', { now: 0 })).toBe('pass')
    expect(ask(rate, 'banner', { now: 9999 })).toMatch(/^421 4\.7\.0 .* too frequent/)
  })
})

describe('greylist', () => {
  const create = () => greylist.create({ seconds: 20, expire_s: 3600 }, surroundings())

  test('defers a new triple for its first seconds, then passes', () => {
    const grey = create()
    expect(ask(grey, 'rcpt', { now: 0 })).toMatch(/^450 4\.2\.0 .*Greylisted/)
    expect(ask(grey, 'rcpt', { now: 19_999 })).toMatch(/^450/)
    expect(ask(grey, 'rcpt', { now: 20_000 })).toBe('pass')
  })

  test('the triple is /24, sender and recipient, without regard to case', () => {
    const grey = create()
    ask(grey, 'rcpt', { now: 0 })
    expect(ask(grey, 'rcpt', { now: 30_000, ip: '127.0.0.77', recipient: 'B@ONE.test' })).toBe('pass')
    expect(ask(grey, 'rcpt', { now: 30_000, recipient: 'c@one.test' })).toMatch(/^450/)
    expect(ask(grey, 'rcpt', { now: 30_000, netblock: '127.0.9.0/24' })).toMatch(/^450/)
  })

  test('a triple not seen for the expiry time starts anew', () => {
    const grey = create()
    ask(grey, 'rcpt', { now: 0 })
    expect(ask(grey, 'rcpt', { now: 3_600_000 })).toBe('pass')
    expect(ask(grey, 'rcpt', { now: 7_200_001 })).toMatch(/^450/)
  })
})

describe('mailboxes', () => {
  test('a share of addresses is unknown, the same ones every time', () => {
    const unknown = unknownUsers.create({ share: 0.1 }, surroundings())
    const refused = (seed: string) => {
      const one = seed === 'seed' ? unknown : unknownUsers.create({ share: 0.1 }, surroundings({ seed }))
      return Array.from({ length: 5000 }, (_, i) => `user${i}@one.test`).filter(
        (recipient) => ask(one, 'rcpt', { recipient }) !== 'pass',
      )
    }
    const first = refused('seed')
    expect(refused('seed')).toEqual(first)
    expect(refused('another')).not.toEqual(first)
    // 500 expected, standard deviation 21
    expect(Math.abs(first.length - 500)).toBeLessThan(110)
  })

  test('a pattern looks at the local part', () => {
    const full = fullMailboxes.create({ pattern: '^full' }, surroundings())
    expect(ask(full, 'rcpt', { recipient: 'Full.house@one.test' })).toBe(
      '452 4.2.2 <Full.house@one.test>: Mailbox full',
    )
    expect(ask(full, 'rcpt', { recipient: 'a@full.test' })).toBe('pass')
  })
})

describe('block list', () => {
  test('entries of the configuration block from the start and end by themselves', () => {
    const blocked = blockList.create(
      { entries: [{ client_ip: '127.0.0.0/24', seconds: 60 }] },
      surroundings({ since: 0 }),
    )
    expect(ask(blocked, 'banner', { now: 59_999 })).toBe('554 5.7.1 Service unavailable; client [127.0.0.5] blocked')
    expect(ask(blocked, 'banner', { now: 60_000 })).toBe('pass')
    expect(ask(blocked, 'banner', { now: 0, ip: '127.0.1.5' })).toBe('pass')
  })

  test('a client blocked while connected is told at its next MAIL', () => {
    const around = surroundings()
    const blocked = blockList.create({ at: 'banner' }, around)
    expect(ask(blocked, 'mail')).toBe('pass')
    around.listing.add('127.0.0.5', 0, undefined, 'test')
    expect(ask(blocked, 'mail')).toMatch(/^554/)
  })

  test('too many unknown users in the window block the client, for a time', () => {
    const around = surroundings()
    const blocked = blockList.create({ at: 'mail', rule: { unknown_users: 2, per_s: 10, seconds: 30 } }, around)
    const unknown = unknownUsers.create({ pattern: '^no' }, around)
    const refuse = (now: number) => {
      const now_ = situation({ recipient: 'no@one.test', now })
      const decision = unknown.decide('rcpt', now_)
      if (decision) blocked.learn?.(decision, now_)
    }
    refuse(0)
    refuse(1)
    expect(ask(blocked, 'mail', { now: 2 })).toBe('pass')
    refuse(10_001)
    expect(ask(blocked, 'mail', { now: 10_002 })).toBe('pass')
    refuse(10_003)
    refuse(10_004)
    expect(ask(blocked, 'mail', { now: 10_005 })).toMatch(/^554/)
    expect(around.listing.list(10_005)).toMatchObject([{ reason: 'more than 2 unknown users', until: 40_004 }])
    expect(ask(blocked, 'mail', { now: 40_004 })).toBe('pass')
  })
})

describe('content', () => {
  const spam = content.create(
    {
      markers: [
        { header: 'X-Spam', contains: 'YES' },
        { contains: 'gtube', reply: '554 5.7.1 body' },
      ],
    },
    surroundings(),
  )

  test('a marker in the named header refuses, elsewhere it does not', () => {
    expect(ask(spam, 'dot', { message: message('Subject: x\r\nX-Spam: well,\r\n yes\r\n\r\nbody') })).toMatch(
      /^550 5\.7\.1/,
    )
    expect(ask(spam, 'dot', { message: message('Subject: x\r\n\r\nX-Spam: yes') })).toBe('pass')
  })

  test('a marker without header is found anywhere', () => {
    expect(ask(spam, 'dot', { message: message('Subject: x\r\n\r\nXXGTUBEXX') })).toBe('554 5.7.1 body')
  })
})

describe('limits', () => {
  test('the message after the last allowed one ends the connection', () => {
    const limit = messagesPerConnection.create({ max: 3 }, surroundings())
    expect(ask(limit, 'mail', { nth: 3 })).toBe('pass')
    expect(ask(limit, 'mail', { nth: 4 })).toMatch(/^421 4\.7\.0/)
  })

  test('recipients above the limit are put off', () => {
    const limit = recipientsPerMessage.create({ max: 2 }, surroundings())
    expect(ask(limit, 'rcpt', { accepted: 1 })).toBe('pass')
    expect(ask(limit, 'rcpt', { accepted: 2 })).toBe('452 4.5.3 Too many recipients')
  })

  test('TLS can be demanded', () => {
    const demand = requireTls.create({}, surroundings())
    expect(ask(demand, 'mail', { tls: true })).toBe('pass')
    expect(ask(demand, 'mail', { tls: false })).toMatch(/^530 5\.7\.0/)
  })
})

describe('trouble', () => {
  const draw = (seed: string) => {
    const trouble = failures.create([{ at: 'dot', share: 0.2 }], surroundings({ seed }))
    return Array.from({ length: 1000 }, () => ask(trouble, 'dot'))
  }

  test('failures come in their share, in the same order for the same seed', () => {
    const cases = draw('one')
    expect(draw('one')).toEqual(cases)
    expect(draw('two')).not.toEqual(cases)
    const failed = cases.filter((one) => one === '451 4.3.0 Temporary failure').length
    // 200 expected, standard deviation 13
    expect(Math.abs(failed - 200)).toBeLessThan(70)
  })

  test('a disruption says how the connection ends', () => {
    const trouble = disruptionsByChance.create([{ at: 'data', share: 1, how: 'reset' }], surroundings())
    expect(trouble.stages).toEqual(['data'])
    expect(told(trouble.decide('data', situation()))).toBe('reset')
  })
})

test('latency is fixed plus seeded jitter', () => {
  const options = latencySchema.parse({ banner: 5, dot: { ms: 10, jitter_ms: 20 } })
  const [one, other] = [latencyOf(options, 's', 'p'), latencyOf(options, 's', 'p')]
  expect([one('banner'), one('mail')]).toEqual([5, 0])
  const waits = Array.from({ length: 100 }, () => one('dot'))
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(10)
  expect(Math.max(...waits)).toBeLessThan(30)
  expect(Array.from({ length: 100 }, () => other('dot'))).toEqual(waits)
})
