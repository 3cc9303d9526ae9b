// A campaign's plan is the same mail for the same seed, in the wanted proportions; its pace keeps the rate.

import { chooser, planSchema, submissionsOf, type PlanOptions } from '@sluice/lab/campaign/plan'
import { Pace } from '@sluice/lab/campaign/pace'
import { expect, test } from 'vitest'

const plan = (over: Partial<PlanOptions> = {}) => [
  ...submissionsOf(
    planSchema.parse({ messages: 2000, domains: { 'one.test': 3, 'two.test': 1 }, ...over }),
    'Thu, 1 Jan 1970 00:00:00 +0000',
  ),
]

test('the same seed gives the same mail, another seed other mail', () => {
  const first = plan()
  expect(plan()).toEqual(first)
  const other = plan({ seed: 'other' })
  expect(other[0]?.message_id).not.toBe(first[0]?.message_id)
  expect(other.map(({ recipients }) => recipients)).not.toEqual(first.map(({ recipients }) => recipients))
})

test('Message-IDs are unique and domains come by weight', () => {
  const mails = plan()
  expect(new Set(mails.map(({ message_id }) => message_id)).size).toBe(2000)
  const one = mails.flatMap(({ recipients }) => recipients).filter((address) => address.endsWith('@one.test')).length
  // 1,500 expected, standard deviation 19
  expect(Math.abs(one - 1500)).toBeLessThan(100)
})

test('a message carries its stream, tenant and campaign in the headers that were asked for', () => {
  const [mail] = plan({
    messages: 1,
    streams: [{ stream: 's', tenant: 't', campaign: 'c', from: 'a@b.example' }],
    headers: { stream: 'X-Kind' },
  })
  expect(mail?.text).toMatch(/^X-Kind: s\r\nX-Sluice-Tenant: t\r\nX-Sluice-Campaign: c\r\n\r\n/m)
  expect(mail?.text).not.toMatch(/^\./m)
  expect(mail?.text.endsWith('\r\n')).toBe(true)
})

test('several recipients are different ones, in one domain or in several', () => {
  const same = plan({ recipients: { min: 3, max: 5, same_domain: 1 } })
  for (const { recipients } of same) {
    expect(new Set(recipients).size).toBe(recipients.length)
    expect(recipients.length).toBeGreaterThanOrEqual(3)
    expect(recipients.length).toBeLessThanOrEqual(5)
    expect(new Set(recipients.map((address) => address.split('@')[1])).size).toBe(1)
  }
  const mixed = plan({ recipients: { min: 5, max: 5, same_domain: 0 } })
  expect(mixed.some(({ recipients }) => new Set(recipients.map((a) => a.split('@')[1])).size === 2)).toBe(true)
})

test('a choice by weight takes each item its share', () => {
  const pick = chooser([
    ['a', 1],
    ['b', 3],
  ])
  expect([0, 0.24, 0.25, 0.99].map(pick)).toEqual(['a', 'a', 'b', 'b'])
})

test('turns come at the rate, and a stall is caught up by a second at most', () => {
  let now = 0
  const pace = new Pace(10, () => now)
  expect([pace.take(), pace.take(), pace.take()]).toEqual([0, 100, 200])
  now = 10_000
  // ten turns of the last second are due, and the one of this moment
  expect(Array.from({ length: 12 }, () => pace.take())).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100])
})

test('without a rate nobody waits, and an abort ends a wait', async () => {
  expect(new Pace(Infinity).take()).toBe(0)
  const controller = new AbortController()
  const pace = new Pace(0.001)
  await expect(pace.turn(controller.signal)).resolves.toBe(true)
  const waiting = pace.turn(controller.signal)
  controller.abort()
  await expect(waiting).resolves.toBe(false)
})
