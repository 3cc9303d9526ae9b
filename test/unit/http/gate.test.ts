import { describe, expect, it } from 'vitest'

import { Gate } from '@sluice/sidecar/http/gate'

const busy = { code: 'SLUICE_HTTP_BUSY' }

/** Work that ends when told to. */
const held = () => {
  let release: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    release = resolve
  })
  return { work: () => done, release: () => release() }
}

describe('the gate', () => {
  it('lets so many in at a time and turns the next away at once', async () => {
    const gate = new Gate(() => ({ concurrency: 2, per_minute: 100 }))
    const [one, two] = [held(), held()]
    const running = [gate.pass('x', one.work), gate.pass('y', two.work)]
    await expect(gate.pass('z', () => Promise.resolve(1))).rejects.toMatchObject(busy)
    one.release()
    await running[0]
    expect(await gate.pass('z', () => Promise.resolve(1))).toBe(1)
    two.release()
    await running[1]
  })

  it('frees the place of work that failed', async () => {
    const gate = new Gate(() => ({ concurrency: 1, per_minute: 100 }))
    await expect(gate.pass('x', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await gate.pass('x', () => Promise.resolve(1))).toBe(1)
  })

  it('counts per caller and minute, and refills', async () => {
    let now = 0
    const gate = new Gate(
      () => ({ concurrency: 1, per_minute: 2 }),
      () => now,
    )
    const pass = (caller: string) => gate.pass(caller, () => Promise.resolve(1))
    await pass('x')
    await pass('x')
    await expect(pass('x')).rejects.toMatchObject(busy)
    expect(await pass('y')).toBe(1)
    now += 30_000
    expect(await pass('x')).toBe(1)
    await expect(pass('x')).rejects.toMatchObject(busy)
  })
})
