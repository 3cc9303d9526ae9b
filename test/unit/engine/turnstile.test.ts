import { describe, expect, it } from 'vitest'

import { Turnstile } from '@sluice/sidecar/engine/turnstile'

const never = new AbortController().signal

describe('a turnstile', () => {
  it('lets so many in, and the next in order as places come free', async () => {
    const turnstile = new Turnstile(2, 10)
    const order: number[] = []
    const leave = [await turnstile.enter(never), await turnstile.enter(never)]
    const later = [1, 2, 3].map(async (number) => {
      const out = await turnstile.enter(never)
      order.push(number)
      return out
    })
    expect([turnstile.inside, turnstile.waiting]).toEqual([2, 3])
    leave[0]?.()
    ;(await later[0])?.()
    ;(await later[1])?.()
    await later[2]
    expect(order).toEqual([1, 2, 3])
    expect([turnstile.inside, turnstile.waiting]).toEqual([2, 0])
  })

  it('gives a place back once only', async () => {
    const turnstile = new Turnstile(1, 1)
    const leave = await turnstile.enter(never)
    leave()
    leave()
    expect(turnstile.inside).toBe(0)
  })

  it('refuses where the line is full', async () => {
    const turnstile = new Turnstile(1, 1)
    await turnstile.enter(never)
    void turnstile.enter(never)
    await expect(turnstile.enter(never)).rejects.toMatchObject({ code: 202 })
  })

  it('forgets who left the line', async () => {
    const turnstile = new Turnstile(1, 1)
    const leave = await turnstile.enter(never)
    const impatient = new AbortController()
    const waiting = turnstile.enter(impatient.signal)
    impatient.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect(turnstile.waiting).toBe(0)
    leave()
    expect(turnstile.inside).toBe(0)
    await expect(turnstile.enter(impatient.signal)).rejects.toThrow('gone')
  })
})
