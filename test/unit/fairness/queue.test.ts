import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { FairQueue, type Parked } from '@sluice/core/fairness/queue'

const equal = { tenant: () => 1, stream: () => 1 }
let serial = 0

const mail = (tenant: string, queued: number, rest: Partial<Parked<number>> = {}): Parked<number> => ({
  id: `m${serial++}`,
  tenant,
  stream: 'news',
  queued,
  value: 0,
  ...rest,
})

const drain = (queue: FairQueue<number>): Parked<number>[] => {
  const taken: Parked<number>[] = []
  for (let one = queue.take(); one; one = queue.take()) taken.push(one)
  return taken
}

const countBy = (taken: readonly Parked<number>[], key: 'tenant' | 'stream'): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const one of taken) counts[one[key]] = (counts[one[key]] ?? 0) + 1
  return counts
}

describe('the fair queue of a lane', () => {
  it('gives one tenant its mail in the order of queue time, whatever order it came in', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 }), (times) => {
        const queue = new FairQueue<number>(equal)
        times.forEach((queued, value) => queue.put(mail('acme', queued, { value })))
        const expected = times.map((queued, value) => ({ queued, value })).toSorted((a, b) => a.queued - b.queued)
        expect(drain(queue).map(({ queued, value }) => ({ queued, value }))).toEqual(expected)
      }),
    )
  })

  it('lets a small tenant by the backlog of a large one', () => {
    const queue = new FairQueue<number>(equal)
    for (let n = 0; n < 10_000; n++) queue.put(mail('large', n))
    queue.put(mail('small', 20_000))
    queue.put(mail('small', 20_001))
    const first = [1, 2, 3, 4].map(() => queue.take()?.tenant)
    expect(first.filter((tenant) => tenant === 'small')).toHaveLength(2)
  })

  it('shares in proportion to the weights, whatever the mail costs', () => {
    const weights = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 6 })
    fc.assert(
      fc.property(
        weights,
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 6, maxLength: 6 }),
        (shares, costs) => {
          const queue = new FairQueue<number>({ tenant: (name) => Number(name), stream: () => 1 })
          shares.forEach((weight, index) => {
            const cost = costs[index] ?? 1
            for (let n = 0; n < 3000; n++) queue.put(mail(String(weight), n, { cost }))
          })
          const total = shares.reduce((sum, one) => sum + one, 0)
          const served: Record<string, number> = {}
          // While all of them have mail.
          const budget = Math.min(...shares.map((weight, index) => ((costs[index] ?? 1) * 3000 * total) / weight)) * 0.8
          for (let spent = 0; spent < budget;) {
            const one = queue.take()
            if (!one) throw new Error('the queue is empty')
            spent += one.cost ?? 1
            served[one.tenant] = (served[one.tenant] ?? 0) + (one.cost ?? 1)
          }
          for (const weight of shares) {
            const share = (served[String(weight)] ?? 0) / budget
            // One round of everybody, and the dearest mail, is all it can be off.
            expect(Math.abs(share - weight / total)).toBeLessThan((total + 5 * shares.length) / budget + 1e-9)
          }
        },
      ),
      { numRuns: 20 },
    )
  })

  it('starves nobody: everybody is served within a bounded number of others', () => {
    const queue = new FairQueue<number>({ tenant: (name) => (name === 'tiny' ? 0.05 : 10), stream: () => 1 })
    for (const tenant of ['a', 'b', 'c']) for (let n = 0; n < 2000; n++) queue.put(mail(tenant, n))
    queue.put(mail('tiny', 9999))
    const taken = drain(queue).map(({ tenant }) => tenant)
    // 20 turns of 0.05, each of which lets three others take 10.
    expect(taken.indexOf('tiny')).toBeLessThanOrEqual(20 * 30)
  })

  it("prefers a tenant's heavier streams without starving the lighter", () => {
    const queue = new FairQueue<number>({ tenant: () => 1, stream: (name) => (name === 'receipts' ? 8 : 1) })
    for (let n = 0; n < 900; n++) {
      queue.put(mail('acme', n, { stream: 'offers' }))
      queue.put(mail('acme', n, { stream: 'receipts' }))
    }
    const part = Array.from({ length: 900 }, () => queue.take()).filter((one) => one !== undefined)
    expect(countBy(part, 'stream')).toEqual({ receipts: 800, offers: 100 })
  })

  it('keeps no credit for those who have nothing', () => {
    const queue = new FairQueue<number>(equal)
    for (let n = 0; n < 100; n++) queue.put(mail('a', n))
    for (let n = 0; n < 50; n++) queue.take()
    for (let n = 0; n < 100; n++) queue.put(mail('late', n))
    const part = Array.from({ length: 40 }, () => queue.take()).filter((one) => one !== undefined)
    expect(countBy(part, 'tenant')).toEqual({ a: 20, late: 20 })
  })

  it('behaves as a list of what was put in and not yet taken out', () => {
    const command = fc.oneof(
      { weight: 5, arbitrary: fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), queued: fc.nat(100) }) },
      { weight: 3, arbitrary: fc.constant('take' as const) },
      { weight: 2, arbitrary: fc.nat(1000) },
    )
    fc.assert(
      fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
        const queue = new FairQueue<number>({ tenant: (name) => (name === 'a' ? 3 : 1), stream: () => 1 })
        const model = new Map<string, Parked<number>>()
        for (const one of commands) {
          if (one === 'take') {
            const next = queue.next()
            const taken = queue.take()
            expect(taken).toBe(next)
            expect(taken === undefined).toBe(model.size === 0)
            if (!taken) continue
            const older = [...model.values()].filter(
              ({ tenant, queued }) => tenant === taken.tenant && queued < taken.queued,
            )
            expect(older).toEqual([])
            expect(model.delete(taken.id)).toBe(true)
          } else if (typeof one === 'number') {
            const id = [...model.keys()][one % Math.max(1, model.size)]
            expect(queue.remove(id ?? 'none')).toBe(id === undefined ? undefined : model.get(id))
            if (id !== undefined) model.delete(id)
          } else {
            const parked = mail(one.tenant, one.queued)
            expect(queue.put(parked)).toBe(true)
            expect(queue.put(parked)).toBe(false)
            model.set(parked.id, parked)
          }
          expect(queue.size).toBe(model.size)
        }
        expect([...queue].map(({ id }) => id)).toEqual([...model.keys()])
        expect(new Set(drain(queue).map(({ id }) => id))).toEqual(new Set(model.keys()))
      }),
      { numRuns: 200 },
    )
  })

  it('lets go of what is removed from the midst of a long backlog', () => {
    const queue = new FairQueue<number>(equal)
    const all = Array.from({ length: 10_000 }, (_, n) => mail('acme', n))
    all.forEach((one) => queue.put(one))
    const kept = all.filter((_, n) => n % 100 === 0)
    all.filter((_, n) => n % 100 !== 0).forEach(({ id }) => queue.remove(id))
    expect(drain(queue)).toEqual(kept)
  })

  it('finds the mail that receivers like best, for a probe', () => {
    const queue = new FairQueue<number>(equal)
    for (let n = 0; n < 3000; n++)
      queue.put(mail('acme', n, { stream: n === 500 || n === 700 ? 'receipts' : 'offers' }))
    const liked = queue.preferred(({ stream }) => (stream === 'receipts' ? 90 : 10))
    expect(liked?.queued).toBe(500)
    expect(queue.remove(liked?.id ?? '')).toBe(liked)
    expect(new FairQueue<number>(equal).preferred(() => 1)).toBeUndefined()
  })

  it('takes as long for the last of 200,000 as for the first', () => {
    const queue = new FairQueue<number>(equal)
    const began = performance.now()
    for (let n = 0; n < 200_000; n++) queue.put(mail(`t${n % 100}`, n))
    expect(drain(queue)).toHaveLength(200_000)
    // A quadratic queue takes minutes.
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})
