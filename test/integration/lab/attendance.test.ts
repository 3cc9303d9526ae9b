// Connections are counted over all MX hosts of a provider, and exactly: a client that never has more than its limit open
// is never seen with more, however quickly it closes and opens.

import { expect, test } from 'vitest'

import { first, labOf, oneProvider, second } from './small'
import { Talk } from './talk'

test('the limit holds over both MX hosts, per client address, and is free again after a close', async () => {
  const lab = await labOf(oneProvider('behaviour: { connection_limit: { max: 2 } }'))
  const one = await Talk.hello(first, lab.port)
  const two = await Talk.hello(second, lab.port)
  const three = Talk.to(first, lab.port)
  await expect(three.reply()).resolves.toBe('421 4.7.0 mx1.one.test Error: too many connections from 127.0.0.1')
  await expect(three.ended).resolves.toBe('end')
  const other = await Talk.hello(first, lab.port, '127.0.0.9')
  await one.quit()
  const again = Talk.to(second, lab.port)
  await expect(again.reply()).resolves.toMatch(/^220/)
  expect(lab.truth.attendance.of('one', '127.0.0.1')).toMatchObject({ open: 2, high_water: 3, opened: 4, refused: 1 })
  expect(lab.truth.attendance.of('one', '127.0.0.9')).toMatchObject({ open: 1, high_water: 1 })
  expect(lab.truth.tally.count({ unit: 'refusal', stage: 'banner', verdict: 'deferred' })).toBe(1)
  await Promise.all([two, again, other].map((talk) => talk.quit()))
})

test('a client that replaces connections as fast as it can is never counted above what it had open', async () => {
  const lab = await labOf(oneProvider('behaviour: { connection_limit: { max: 5 } }'))
  const lane = async (turns: number): Promise<string[]> => {
    const greetings: string[] = []
    for (let turn = 0; turn < turns; turn++) {
      const talk = Talk.to(turn % 2 ? first : second, lab.port)
      greetings.push((await talk.reply()).slice(0, 3))
      // half of them say goodbye, half just leave
      if (turn % 2) await talk.quit()
      else await talk.drop()
    }
    return greetings
  }
  const heard = (await Promise.all(Array.from({ length: 5 }, () => lane(100)))).flat()
  expect(new Set(heard)).toEqual(new Set(['220']))
  expect(lab.truth.attendance.of('one', '127.0.0.1')).toMatchObject({ opened: 500, refused: 0 })
  expect(lab.truth.attendance.of('one', '127.0.0.1')?.high_water).toBeLessThanOrEqual(5)
})

test('the peaks of messages per second are those of the commands sent', async () => {
  let now = 0
  const lab = await labOf(oneProvider(), { clock: () => now })
  const talk = await Talk.hello(first, lab.port)
  for (const at of [0, 100, 900, 1050, 5000]) {
    now = at
    await talk.send(['a@one.test'])
  }
  expect(lab.truth.attendance.of('one', '127.0.0.1')).toMatchObject({
    messages: 5,
    messages_per_second: 3,
    messages_per_minute: 5,
  })
  await talk.quit()
})
